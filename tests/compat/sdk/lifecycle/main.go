// Program lifecycle takes the official Go SDK of the field's REST dialect through everything that a cluster lives through, changing
// nothing but the endpoint: an environment, a cluster, an account, a key, topics, records, ACLs, quotas, lag, and the end of it all.
//
// It reads SDK_URL, SDK_KEY and SDK_SECRET (a cloud key), prints "ok: SENTENCE" or "not ok: SENTENCE: WHY" a step, and stops at the first
// step that fails, since the later ones stand on it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	apikeys "github.com/confluentinc/ccloud-sdk-go-v2/apikeys/v2"
	cmk "github.com/confluentinc/ccloud-sdk-go-v2/cmk/v2"
	iam "github.com/confluentinc/ccloud-sdk-go-v2/iam/v2"
	quotas "github.com/confluentinc/ccloud-sdk-go-v2/kafka-quotas/v1"
	kafkarest "github.com/confluentinc/ccloud-sdk-go-v2/kafkarest/v3"
	mds "github.com/confluentinc/ccloud-sdk-go-v2/mds/v2"
	metrics "github.com/confluentinc/ccloud-sdk-go-v2/metrics/v2"
	org "github.com/confluentinc/ccloud-sdk-go-v2/org/v2"
	servicequota "github.com/confluentinc/ccloud-sdk-go-v2/service-quota/v1"
)

// life is what the steps hand on.
type life struct {
	url, user, secret string
	started           time.Time

	org     *org.APIClient
	cmk     *cmk.APIClient
	iam     *iam.APIClient
	keys    *apikeys.APIClient
	quotas  *quotas.APIClient
	limits  *servicequota.APIClient
	roles   *mds.APIClient
	figures *metrics.APIClient
	rest    *kafkarest.APIClient
	control context.Context // with the cloud key, for the modules of the control plane
	data    context.Context // with the cluster key, for kafkarest

	environment, cluster, account, quota string
	cluster_                             cmk.CmkV2Cluster
	key, keySecret                       string
}

type step struct {
	name string
	run  func(l *life) error
}

func newLife() *life {
	l := &life{url: os.Getenv("SDK_URL"), user: os.Getenv("SDK_KEY"), secret: os.Getenv("SDK_SECRET"), started: time.Now()}
	o, c, i, k, q := org.NewConfiguration(), cmk.NewConfiguration(), iam.NewConfiguration(), apikeys.NewConfiguration(), quotas.NewConfiguration()
	s := servicequota.NewConfiguration()
	o.Servers[0].URL, c.Servers[0].URL, i.Servers[0].URL, k.Servers[0].URL, q.Servers[0].URL, s.Servers[0].URL = l.url, l.url, l.url, l.url, l.url, l.url
	l.limits = servicequota.NewAPIClient(s)
	r := mds.NewConfiguration()
	r.Servers[0].URL = l.url
	l.roles = mds.NewAPIClient(r)
	m := metrics.NewConfiguration()
	m.Servers[0].URL = l.url
	l.figures = metrics.NewAPIClient(m)
	l.org, l.cmk, l.iam, l.keys, l.quotas = org.NewAPIClient(o), cmk.NewAPIClient(c), iam.NewAPIClient(i), apikeys.NewAPIClient(k), quotas.NewAPIClient(q)
	l.control = authenticated(context.Background(), l.user, l.secret)
	return l
}

// authenticated carries a key for every module: each has a context key of its own type.
func authenticated(ctx context.Context, user, secret string) context.Context {
	ctx = context.WithValue(ctx, org.ContextBasicAuth, org.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, cmk.ContextBasicAuth, cmk.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, iam.ContextBasicAuth, iam.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, apikeys.ContextBasicAuth, apikeys.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, quotas.ContextBasicAuth, quotas.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, mds.ContextBasicAuth, mds.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, metrics.ContextBasicAuth, metrics.BasicAuth{UserName: user, Password: secret})
	ctx = context.WithValue(ctx, servicequota.ContextBasicAuth, servicequota.BasicAuth{UserName: user, Password: secret})
	return context.WithValue(ctx, kafkarest.ContextBasicAuth, kafkarest.BasicAuth{UserName: user, Password: secret})
}

// said adds to the SDK's error, which is "409 Conflict" alone, what the service said.
func said(err error) error {
	var body interface{ Body() []byte }
	if err == nil || !errors.As(err, &body) {
		return err
	}
	return fmt.Errorf("%w: %s", err, body.Body())
}

// refused checks that a call was answered with a status, an error body that the SDK could read, and words in its detail.
func refused(err error, answer *http.Response, status int, words string) error {
	if err == nil || answer == nil || answer.StatusCode != status {
		return fmt.Errorf("expected %d, got %v", status, said(err))
	}
	var body interface{ Body() []byte }
	var failure struct {
		Errors []struct{ Detail, Status string }
	}
	if !errors.As(err, &body) || json.Unmarshal(body.Body(), &failure) != nil || len(failure.Errors) == 0 {
		return fmt.Errorf("the %d has no errors in its body", status)
	}
	e := failure.Errors[0]
	if e.Status != fmt.Sprint(status) || !strings.Contains(e.Detail, words) {
		return fmt.Errorf("the %d says %q (status %q), without %q", status, e.Detail, e.Status, words)
	}
	return nil
}

// until polls as Terraform does, for half a minute.
func until(what string, done func() (bool, error)) error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		yes, err := done()
		if err != nil || yes {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited in vain until %s", what)
		}
	}
}

func ref[T any](v T) *T { return &v }

func main() {
	l := newLife()
	for _, steps := range [][]step{controlSteps, dataSteps, restSteps, endSteps} {
		for _, s := range steps {
			if err := said(s.run(l)); err != nil {
				fmt.Printf("not ok: %s: %s\n", s.name, strings.ReplaceAll(err.Error(), "\n", " "))
				os.Exit(1)
			}
			fmt.Printf("ok: %s\n", s.name)
		}
	}
}
