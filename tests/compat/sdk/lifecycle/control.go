package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	apikeys "github.com/confluentinc/ccloud-sdk-go-v2/apikeys/v2"
	cmk "github.com/confluentinc/ccloud-sdk-go-v2/cmk/v2"
	iam "github.com/confluentinc/ccloud-sdk-go-v2/iam/v2"
	mds "github.com/confluentinc/ccloud-sdk-go-v2/mds/v2"
	org "github.com/confluentinc/ccloud-sdk-go-v2/org/v2"
)

// The control plane: an environment, a cluster through its phases and sizes, an account, a key.
var controlSteps = []step{
	{"the organization is listed and renamed", organization},
	{"a person is invited, found by email, and the invitation taken back", invitation},
	{"a user's name is changed", user},
	{"an environment is made, found by pages, and renamed", environment},
	{"an environment's name is taken once", environmentTaken},
	{"a Basic cluster is accepted as PROVISIONING and becomes PROVISIONED", clusterMade},
	{"a cluster's spec, endpoints and CRN are what tools read", clusterRead},
	{"kinds that are not offered are refused with a pointer", clusterKinds},
	{"a Basic cluster becomes Standard, and not Basic again", clusterStandard},
	{"a Dedicated cluster is resized: status.cku follows config.cku", clusterResized},
	{"clusters are listed by page, protection and network", clusterLists},
	{"a protected cluster is not deleted", clusterProtected},
	{"an environment with clusters is not deleted", environmentNotEmpty},
	{"a service account is made, described and found by name", account},
	{"a cluster key is made and works at once", keyMade},
	{"two keys of an account live side by side, and a deleted one ends", keysRotated},
	{"a role binding lets a cloud key do what its role says, until it is deleted", roleBinding},
}

func organization(l *life) error {
	list, _, err := l.org.OrganizationsOrgV2Api.ListOrgV2Organizations(l.control).Execute()
	if err != nil {
		return err
	}
	if len(list.Data) != 1 || list.Data[0].GetId() == "" || list.Data[0].GetDisplayName() == "" {
		return fmt.Errorf("organizations: %+v", list.Data)
	}
	one := list.Data[0]
	for _, name := range []string{"Renamed", one.GetDisplayName()} {
		changed, _, err := l.org.OrganizationsOrgV2Api.UpdateOrgV2Organization(l.control, one.GetId()).OrgV2Organization(org.OrgV2Organization{DisplayName: &name}).Execute()
		if err != nil || changed.GetDisplayName() != name {
			return fmt.Errorf("renamed %q: %w", changed.GetDisplayName(), said(err))
		}
	}
	_, _, err = l.org.OrganizationsOrgV2Api.GetOrgV2Organization(l.control, one.GetId()).Execute()
	return err
}

func invitation(l *life) error {
	api := l.iam.InvitationsIamV2Api
	made, answer, err := api.CreateIamV2Invitation(l.control).IamV2Invitation(iam.IamV2Invitation{Email: ref("guest@leat.test"), AuthType: ref("AUTH_TYPE_LOCAL")}).Execute()
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated || made.GetStatus() != "INVITE_STATUS_SENT" || made.GetEmail() != "guest@leat.test" {
		return fmt.Errorf("made: %d %+v", answer.StatusCode, made)
	}
	list, _, err := api.ListIamV2Invitations(l.control).Email("guest@leat.test").Execute()
	if err != nil || len(list.Data) != 1 || list.Data[0].GetId() != made.GetId() {
		return fmt.Errorf("listed: %+v, %w", list.Data, said(err))
	}
	if _, err = api.DeleteIamV2Invitation(l.control, made.GetId()).Execute(); err != nil {
		return err
	}
	after, answer, err := api.GetIamV2Invitation(l.control, made.GetId()).Execute()
	if err == nil && after.GetStatus() == "INVITE_STATUS_SENT" || err != nil && (answer == nil || answer.StatusCode != 404) {
		return fmt.Errorf("after its end: %+v, %w", after, said(err))
	}
	return nil
}

func user(l *life) error {
	api := l.iam.UsersIamV2Api
	list, _, err := api.ListIamV2Users(l.control).PageSize(100).Execute()
	if err != nil || len(list.Data) != 1 || list.Data[0].GetAuthType() != "AUTH_TYPE_LOCAL" {
		return fmt.Errorf("users: %+v, %w", list.Data, said(err))
	}
	id, name := list.Data[0].GetId(), list.Data[0].GetFullName()
	for _, wanted := range []string{"Somebody Else", name} {
		changed, _, err := api.UpdateIamV2User(l.control, id).IamV2UserUpdate(iam.IamV2UserUpdate{FullName: &wanted}).Execute()
		if err != nil {
			return err
		}
		if changed.GetFullName() != wanted {
			return fmt.Errorf("changed: %+v", changed)
		}
	}
	_, _, err = api.GetIamV2User(l.control, id).Execute()
	return err
}

func environment(l *life) error {
	api := l.org.EnvironmentsOrgV2Api
	wanted := org.OrgV2Environment{DisplayName: ref("sdk"), StreamGovernanceConfig: &org.OrgV2StreamGovernanceConfig{Package: "ADVANCED"}}
	made, answer, err := api.CreateOrgV2Environment(l.control).OrgV2Environment(wanted).Execute()
	if err != nil {
		return err
	}
	l.environment = made.GetId()
	if answer.StatusCode != http.StatusCreated || !strings.HasPrefix(l.environment, "env-") || answer.Header.Get("Location") != made.Metadata.Self {
		return fmt.Errorf("made: %d %s at %s", answer.StatusCode, l.environment, answer.Header.Get("Location"))
	}
	if made.GetKind() != "Environment" || made.GetApiVersion() != "org/v2" || made.StreamGovernanceConfig.Package != "ADVANCED" {
		return fmt.Errorf("made: %s %s %+v", made.GetApiVersion(), made.GetKind(), made.StreamGovernanceConfig)
	}
	if _, _, err = api.UpdateOrgV2Environment(l.control, l.environment).OrgV2Environment(org.OrgV2Environment{DisplayName: ref("sdk-two")}).Execute(); err != nil {
		return err
	}
	for page := ""; ; {
		list, _, err := api.ListOrgV2Environments(l.control).PageSize(1).PageToken(page).Execute()
		if err != nil {
			return err
		}
		if len(list.Data) > 1 {
			return fmt.Errorf("a page of 1 has %d", len(list.Data))
		}
		if len(list.Data) == 1 && list.Data[0].GetId() == l.environment {
			if list.Data[0].GetDisplayName() != "sdk-two" || list.Data[0].StreamGovernanceConfig.Package != "ADVANCED" {
				return fmt.Errorf("listed: %+v", list.Data[0])
			}
			return nil
		}
		if page, err = pageToken(list.Metadata.GetNext()); err != nil {
			return fmt.Errorf("the environment is on no page: %w", err)
		}
	}
}

// pageToken reads a list's metadata.next as the field's tools do.
func pageToken(next string) (string, error) {
	u, err := url.Parse(next)
	if err != nil || u.Query().Get("page_token") == "" {
		return "", fmt.Errorf("no page_token in %q", next)
	}
	return u.Query().Get("page_token"), nil
}

func environmentTaken(l *life) error {
	_, answer, err := l.org.EnvironmentsOrgV2Api.CreateOrgV2Environment(l.control).OrgV2Environment(org.OrgV2Environment{DisplayName: ref("sdk-two")}).Execute()
	if bad := refused(err, answer, 409, "sdk-two"); bad != nil {
		return bad
	}
	if !strings.HasSuffix(answer.Header.Get("Location"), "/org/v2/environments/"+l.environment) {
		return fmt.Errorf("Location of the 409: %q", answer.Header.Get("Location"))
	}
	return nil
}

func specOf(l *life, name string) *cmk.CmkV2ClusterSpec {
	return &cmk.CmkV2ClusterSpec{DisplayName: &name, Availability: ref("SINGLE_ZONE"), Cloud: ref("AWS"), Region: ref("eu-central-1"),
		Environment: &cmk.EnvScopedObjectReference{Id: l.environment}}
}

func basic() *cmk.CmkV2ClusterSpecConfigOneOf {
	return ref(cmk.CmkV2BasicAsCmkV2ClusterSpecConfigOneOf(cmk.NewCmkV2Basic("Basic")))
}

func (l *life) create(spec *cmk.CmkV2ClusterSpec) (cmk.CmkV2Cluster, *http.Response, error) {
	return l.cmk.ClustersCmkV2Api.CreateCmkV2Cluster(l.control).CmkV2Cluster(cmk.CmkV2Cluster{Spec: spec}).Execute()
}

func (l *life) get(id string) (cmk.CmkV2Cluster, *http.Response, error) {
	return l.cmk.ClustersCmkV2Api.GetCmkV2Cluster(l.control, id).Environment(l.environment).Execute()
}

func (l *life) update(id string, spec *cmk.CmkV2ClusterSpecUpdate) (cmk.CmkV2Cluster, *http.Response, error) {
	spec.Environment = &cmk.EnvScopedObjectReference{Id: l.environment}
	return l.cmk.ClustersCmkV2Api.UpdateCmkV2Cluster(l.control, id).CmkV2ClusterUpdate(cmk.CmkV2ClusterUpdate{Spec: spec}).Execute()
}

func (l *life) provisioned(id string) error {
	return until("the phase is PROVISIONED", func() (bool, error) {
		c, _, err := l.get(id)
		if err == nil && c.Status.Phase != "PROVISIONED" && c.Status.Phase != "PROVISIONING" {
			err = fmt.Errorf("phase %q", c.Status.Phase)
		}
		return err == nil && c.Status.Phase == "PROVISIONED", err
	})
}

func clusterMade(l *life) error {
	spec := specOf(l, "orders")
	spec.Config = basic()
	c, answer, err := l.create(spec)
	if err != nil {
		return err
	}
	l.cluster = c.GetId()
	if answer.StatusCode != http.StatusAccepted || answer.Header.Get("Location") != c.Metadata.Self || c.Status.Phase != "PROVISIONING" {
		return fmt.Errorf("made: %d, Location %q, phase %q", answer.StatusCode, answer.Header.Get("Location"), c.Status.Phase)
	}
	if answer.Header.Get("X-Request-Id") == "" {
		return fmt.Errorf("no X-Request-Id")
	}
	return l.provisioned(l.cluster)
}

func clusterRead(l *life) error {
	c, _, err := l.get(l.cluster)
	if err != nil {
		return err
	}
	l.cluster_ = c
	s := c.Spec
	crn := fmt.Sprintf("/environment=%s/cloud-cluster=%s/kafka=%s", l.environment, l.cluster, l.cluster)
	if !strings.HasPrefix(c.Metadata.GetResourceName(), "crn://") || !strings.HasSuffix(c.Metadata.GetResourceName(), crn) {
		return fmt.Errorf("CRN %q", c.Metadata.GetResourceName())
	}
	if s.GetCloud() != "AWS" || s.GetRegion() != "eu-central-1" || s.GetAvailability() != "SINGLE_ZONE" || s.Config.CmkV2Basic == nil {
		return fmt.Errorf("spec %+v", s)
	}
	if !strings.HasPrefix(s.GetHttpEndpoint(), "http") || !strings.Contains(s.GetKafkaBootstrapEndpoint(), "://") || s.GetApiEndpoint() == "" {
		return fmt.Errorf("endpoints %q %q %q", s.GetHttpEndpoint(), s.GetKafkaBootstrapEndpoint(), s.GetApiEndpoint())
	}
	public, there := s.GetEndpoints()["PUBLIC"]
	if !there || public.ConnectionType != "PUBLIC" || public.HttpEndpoint != s.GetHttpEndpoint() || public.KafkaBootstrapEndpoint != s.GetKafkaBootstrapEndpoint() {
		return fmt.Errorf("endpoints %+v", s.GetEndpoints())
	}
	if s.Environment.Id != l.environment || s.Environment.Related == "" || c.Metadata.CreatedAt.Before(l.started.Add(-time.Minute)) {
		return fmt.Errorf("environment %+v, created at %v", s.Environment, c.Metadata.CreatedAt)
	}
	return nil
}

func clusterKinds(l *life) error {
	spec := specOf(l, "never")
	for _, config := range []cmk.CmkV2ClusterSpecConfigOneOf{
		cmk.CmkV2EnterpriseAsCmkV2ClusterSpecConfigOneOf(cmk.NewCmkV2Enterprise("Enterprise")),
		cmk.CmkV2FreightAsCmkV2ClusterSpecConfigOneOf(cmk.NewCmkV2Freight("Freight"))} {
		spec.Config = &config
		_, answer, err := l.create(spec)
		if bad := refused(err, answer, 422, "Basic, Standard"); bad != nil {
			return bad
		}
		if text := said(err).Error(); !strings.Contains(text, `"/spec/config/kind"`) {
			return fmt.Errorf("no pointer: %s", text)
		}
	}
	return nil
}

func clusterStandard(l *life) error {
	config := cmk.CmkV2StandardAsCmkV2ClusterSpecUpdateConfigOneOf(cmk.NewCmkV2Standard("Standard"))
	c, answer, err := l.update(l.cluster, &cmk.CmkV2ClusterSpecUpdate{Config: &config})
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || c.Spec.Config.CmkV2Standard == nil {
		return fmt.Errorf("%d, config %+v", answer.StatusCode, c.Spec.Config)
	}
	for _, back := range []cmk.CmkV2ClusterSpecUpdateConfigOneOf{
		cmk.CmkV2BasicAsCmkV2ClusterSpecUpdateConfigOneOf(cmk.NewCmkV2Basic("Basic")),
		cmk.CmkV2DedicatedAsCmkV2ClusterSpecUpdateConfigOneOf(cmk.NewCmkV2Dedicated("Dedicated", 1))} {
		_, answer, err = l.update(l.cluster, &cmk.CmkV2ClusterSpecUpdate{Config: &back})
		if bad := refused(err, answer, 422, "from Basic to Standard"); bad != nil {
			return bad
		}
	}
	return nil
}

func clusterResized(l *life) error {
	spec := specOf(l, "big")
	spec.Config = ref(cmk.CmkV2DedicatedAsCmkV2ClusterSpecConfigOneOf(cmk.NewCmkV2Dedicated("Dedicated", 2)))
	c, _, err := l.create(spec)
	if err != nil {
		return err
	}
	big := c.GetId()
	if c.Spec.Config.CmkV2Dedicated.Cku != 2 {
		return fmt.Errorf("config %+v", c.Spec.Config.CmkV2Dedicated)
	}
	if err := l.provisioned(big); err != nil {
		return err
	}
	config := cmk.CmkV2DedicatedAsCmkV2ClusterSpecUpdateConfigOneOf(cmk.NewCmkV2Dedicated("Dedicated", 3))
	if _, _, err = l.update(big, &cmk.CmkV2ClusterSpecUpdate{Config: &config}); err != nil {
		return err
	}
	err = until("status.cku is 3", func() (bool, error) {
		c, _, err := l.get(big)
		return err == nil && c.Status.GetCku() == 3 && c.Spec.Config.CmkV2Dedicated.Cku == 3, err
	})
	if err != nil {
		return err
	}
	_, err = l.cmk.ClustersCmkV2Api.DeleteCmkV2Cluster(l.control, big).Environment(l.environment).Execute()
	return err
}

func clusterLists(l *life) error {
	if _, _, err := l.update(l.cluster, &cmk.CmkV2ClusterSpecUpdate{DeletionProtection: ref(true)}); err != nil {
		return err
	}
	list := func(change func(cmk.ApiListCmkV2ClustersRequest) cmk.ApiListCmkV2ClustersRequest) (int, error) {
		found, _, err := change(l.cmk.ClustersCmkV2Api.ListCmkV2Clusters(l.control).Environment(l.environment).PageSize(100)).Execute()
		n := 0
		for _, c := range found.Data {
			if c.GetId() == l.cluster {
				n++
			}
		}
		return n, err
	}
	for _, is := range []struct {
		what   string
		count  int
		change func(cmk.ApiListCmkV2ClustersRequest) cmk.ApiListCmkV2ClustersRequest
	}{
		{"all", 1, func(r cmk.ApiListCmkV2ClustersRequest) cmk.ApiListCmkV2ClustersRequest { return r }},
		{"protected", 1, func(r cmk.ApiListCmkV2ClustersRequest) cmk.ApiListCmkV2ClustersRequest {
			return r.SpecDeletionProtection(true)
		}},
		{"unprotected", 0, func(r cmk.ApiListCmkV2ClustersRequest) cmk.ApiListCmkV2ClustersRequest {
			return r.SpecDeletionProtection(false)
		}},
		{"of a network", 0, func(r cmk.ApiListCmkV2ClustersRequest) cmk.ApiListCmkV2ClustersRequest {
			return r.SpecNetwork([]string{"n-1"})
		}},
	} {
		if n, err := list(is.change); err != nil || n != is.count {
			return fmt.Errorf("%s: %d times: %w", is.what, n, said(err))
		}
	}
	return nil
}

func clusterProtected(l *life) error {
	answer, err := l.cmk.ClustersCmkV2Api.DeleteCmkV2Cluster(l.control, l.cluster).Environment(l.environment).Execute()
	if bad := refused(err, answer, 409, "protected"); bad != nil {
		return bad
	}
	_, _, err = l.update(l.cluster, &cmk.CmkV2ClusterSpecUpdate{DeletionProtection: ref(false), DisplayName: ref("orders-two")})
	return err
}

func environmentNotEmpty(l *life) error {
	answer, err := l.org.EnvironmentsOrgV2Api.DeleteOrgV2Environment(l.control, l.environment).Execute()
	return refused(err, answer, 409, "cluster")
}

func account(l *life) error {
	api := l.iam.ServiceAccountsIamV2Api
	made, answer, err := api.CreateIamV2ServiceAccount(l.control).IamV2ServiceAccount(iam.IamV2ServiceAccount{DisplayName: ref("orders-app"), Description: ref("before")}).Execute()
	if err != nil {
		return err
	}
	l.account = made.GetId()
	if answer.StatusCode != http.StatusCreated || !strings.HasPrefix(l.account, "sa-") {
		return fmt.Errorf("made: %d %s", answer.StatusCode, l.account)
	}
	if _, _, err = api.UpdateIamV2ServiceAccount(l.control, l.account).IamV2ServiceAccount(iam.IamV2ServiceAccount{Description: ref("after")}).Execute(); err != nil {
		return err
	}
	list, _, err := api.ListIamV2ServiceAccounts(l.control).DisplayName([]string{"orders-app"}).Execute()
	if err != nil {
		return err
	}
	if len(list.Data) != 1 || list.Data[0].GetId() != l.account || list.Data[0].GetDescription() != "after" {
		return fmt.Errorf("listed: %+v", list.Data)
	}
	return nil
}

func (l *life) newKey(name string) (apikeys.IamV2ApiKey, *http.Response, error) {
	spec := &apikeys.IamV2ApiKeySpec{DisplayName: &name, Description: ref("of the SDK"),
		Owner:    &apikeys.ObjectReference{Id: l.account, ApiVersion: ref("iam/v2"), Kind: ref("ServiceAccount")},
		Resource: &apikeys.ObjectReference{Id: l.cluster, Environment: &l.environment, ApiVersion: ref("cmk/v2"), Kind: ref("Cluster")}}
	return l.keys.APIKeysIamV2Api.CreateIamV2ApiKey(l.control).IamV2ApiKey(apikeys.IamV2ApiKey{Spec: spec}).Execute()
}

func keyMade(l *life) error {
	made, answer, err := l.newKey("orders")
	if err != nil {
		return err
	}
	l.key, l.keySecret = made.GetId(), made.Spec.GetSecret()
	if answer.StatusCode != http.StatusAccepted || len(l.key) != 16 || l.keySecret == "" {
		return fmt.Errorf("made: %d %s", answer.StatusCode, l.key)
	}
	l.useKey()
	for i := 0; i < 2; i++ { // as Terraform: it must answer twice in a row, and at once
		if _, _, err := l.rest.TopicV3Api.ListKafkaTopics(l.data, l.cluster).Execute(); err != nil {
			return err
		}
	}
	read, _, err := l.keys.APIKeysIamV2Api.GetIamV2ApiKey(l.control, l.key).Execute()
	if err == nil && (read.Spec.GetSecret() != "" || read.Spec.Owner.Id != l.account || read.Spec.Resource.Id != l.cluster) {
		err = fmt.Errorf("read again: %+v", read.Spec)
	}
	return err
}

func keysRotated(l *life) error {
	first := l.key
	made, _, err := l.newKey("orders-next")
	if err != nil {
		return err
	}
	if _, _, err := l.rest.TopicV3Api.ListKafkaTopics(l.data, l.cluster).Execute(); err != nil {
		return fmt.Errorf("the first key beside the second: %w", said(err))
	}
	list, _, err := l.keys.APIKeysIamV2Api.ListIamV2ApiKeys(l.control).SpecOwner(l.account).SpecResource(l.cluster).Execute()
	if err != nil || len(list.Data) != 2 {
		return fmt.Errorf("%d keys are listed: %w", len(list.Data), said(err))
	}
	old := l.data
	l.key, l.keySecret = made.GetId(), made.Spec.GetSecret()
	l.useKey()
	if _, err := l.keys.APIKeysIamV2Api.DeleteIamV2ApiKey(l.control, first).Execute(); err != nil {
		return err
	}
	if _, answer, err := l.rest.TopicV3Api.ListKafkaTopics(old, l.cluster).Execute(); err == nil || answer == nil || answer.StatusCode != 401 {
		return fmt.Errorf("the deleted key: %v", said(err))
	}
	_, _, err = l.rest.TopicV3Api.ListKafkaTopics(l.data, l.cluster).Execute()
	return err
}

// sees tells whether the account's cloud key may read the cluster.
func (l *life) sees(ctx context.Context) (bool, error) {
	_, answer, err := l.cmk.ClustersCmkV2Api.GetCmkV2Cluster(ctx, l.cluster).Environment(l.environment).Execute()
	if err != nil && answer != nil && (answer.StatusCode == 403 || answer.StatusCode == 404) {
		return false, nil
	}
	return err == nil, err
}

func roleBinding(l *life) error {
	spec := &apikeys.IamV2ApiKeySpec{DisplayName: ref("cloud"), Description: ref(""), Owner: &apikeys.ObjectReference{Id: l.account},
		Resource: &apikeys.ObjectReference{Id: "cloud", ApiVersion: ref("iam/v2"), Kind: ref("Cloud")}}
	key, _, err := l.keys.APIKeysIamV2Api.CreateIamV2ApiKey(l.control).IamV2ApiKey(apikeys.IamV2ApiKey{Spec: spec}).Execute()
	if err != nil {
		return err
	}
	ctx := authenticated(context.Background(), key.GetId(), key.Spec.GetSecret())
	if yes, err := l.sees(ctx); err != nil || yes {
		return fmt.Errorf("without a role it sees the cluster: %v, %w", yes, said(err))
	}
	api := l.roles.RoleBindingsIamV2Api
	crn, _, _ := strings.Cut(l.cluster_.Metadata.GetResourceName(), "/kafka=") // as Terraform makes rbac_crn
	made, answer, err := api.CreateIamV2RoleBinding(l.control).IamV2RoleBinding(mds.IamV2RoleBinding{
		Principal: ref("User:" + l.account), RoleName: ref("CloudClusterAdmin"), CrnPattern: &crn}).Execute()
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusCreated || !strings.HasPrefix(made.GetId(), "rb-") || made.GetRoleName() != "CloudClusterAdmin" {
		return fmt.Errorf("made: %d %+v", answer.StatusCode, made)
	}
	if yes, err := l.sees(ctx); err != nil || !yes {
		return fmt.Errorf("with the role it sees the cluster: %v, %w", yes, said(err))
	}
	list, _, err := api.ListIamV2RoleBindings(l.control).CrnPattern(crn).Principal("User:" + l.account).Execute()
	if err != nil || len(list.Data) != 1 || list.Data[0].GetId() != made.GetId() {
		return fmt.Errorf("listed: %+v, %w", list.Data, said(err))
	}
	gone, answer, err := api.DeleteIamV2RoleBinding(l.control, made.GetId()).Execute()
	if err != nil || answer.StatusCode != http.StatusOK || gone.GetId() != made.GetId() {
		return fmt.Errorf("deleted: %+v, %w", gone, said(err))
	}
	if yes, err := l.sees(ctx); err != nil || yes {
		return fmt.Errorf("after its role it sees the cluster: %v, %w", yes, said(err))
	}
	_, err = l.keys.APIKeysIamV2Api.DeleteIamV2ApiKey(l.control, key.GetId()).Execute()
	return err
}
