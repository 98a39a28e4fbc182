package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/completions"
	"trainer/internal/fault"
	"trainer/internal/web"
)

// serve answers requests of other programs at an address until ctx ends, and says on info how they ask. An address that is not of this
// machine alone gets a token, without which nobody is answered.
func (a *asker) serve(ctx context.Context, address string, info io.Writer) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fault.Usagef("-serve %s: expected an address such as :8080 or 0.0.0.0:8080", address)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	var token web.Token
	if !web.IsLoopback(host) {
		token = web.NewToken()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("-serve %s: %w", address, err)
	}
	folder, err := filepath.Abs(a.dir)
	if err != nil {
		return err
	}
	m := completions.Model{Name: filepath.Base(folder), Tokenizer: a.tokenizer, Generator: a.generator, Context: a.model.Config.Context}
	fmt.Fprintf(info, "%s\nOpenAI's API at http://%s/v1, model %q. Ctrl-C ends it.\n", a, listener.Addr(), m.Name)
	if token != "" {
		fmt.Fprintf(info, "Requests need the header  Authorization: Bearer %s\n", token)
	}
	return completions.Serve(ctx, listener, completions.New(m, token))
}

// checkServe returns a usage error for what does not go together with -serve.
func (a *arguments) checkServe(f *cli.Flags) error {
	if a.serve == "" {
		return nil
	}
	switch {
	case a.eval != "" || a.export != "":
		return fault.Usagef("-serve, -eval and -export: expected one of them")
	case f.NArg() > 0:
		return fault.Usagef("-serve waits for requests and asks nothing: leave out the prompt %q", strings.Join(f.Args(), " "))
	}
	for _, name := range append([]string{"top", "quiet", "json"}, samplingFlags...) {
		if f.Given(name) {
			return fault.Usagef("-serve: each request says how it is answered: leave out -%s", name)
		}
	}
	return nil
}
