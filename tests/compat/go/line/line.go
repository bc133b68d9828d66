// Package line is what the Go programs share: the settings, the lines they print, and the word stop on their standard input.
package line

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Round is the number of records of a stream that are on their way at a time.
const Round = 20

var mutex sync.Mutex

// Env is a setting: BOOTSTRAP, USER, PASSWORD, PRINCIPAL, CA.
func Env(name string) string { return os.Getenv("COMPAT_" + name) }

// Say prints one line.
func Say(words ...any) {
	mutex.Lock()
	defer mutex.Unlock()
	fmt.Fprintln(os.Stdout, words...)
}

// SayAssigned prints the partitions that a member has.
func SayAssigned(partitions []int) {
	sort.Ints(partitions)
	words := []string{}
	for _, p := range partitions {
		words = append(words, strconv.Itoa(p))
	}
	if len(words) == 0 {
		words = []string{"-"}
	}
	Say("assigned", strings.Join(words, ","))
}

// TLS is the configuration for SASL_SSL, nil for SASL_PLAINTEXT.
func TLS() *tls.Config {
	if Env("CA") == "" {
		return nil
	}
	pem, err := os.ReadFile(Env("CA"))
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}

// Stopped is a context that ends with the word stop.
func Stopped() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		bufio.NewReader(os.Stdin).ReadString('\n')
		cancel()
	}()
	return ctx
}

// Int reads an argument.
func Int(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// Main runs the command of the command line; what it returns stands after ok.
func Main(commands map[string]func(a []string) (any, error)) {
	result, err := commands[os.Args[1]](os.Args[2:])
	if err != nil {
		Say("error", strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(1)
	}
	if result == nil {
		result = ""
	}
	Say("ok", result)
}
