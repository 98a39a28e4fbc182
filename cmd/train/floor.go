package main

import (
	"net/http"

	"trainer/internal/cli"
	"trainer/internal/floor"
	"trainer/internal/floor/api"
	"trainer/internal/floor/page"
	"trainer/train"
)

// pages are what -http serves: the factory floor and the metrics for Prometheus.
type pages struct {
	server *floor.Server
	live   *floor.Live
	gauges *gauges
}

// servePages serves at the address of -http, whose listener is there already.
func (s *session) servePages() (*pages, error) {
	about := floor.About{Dir: s.out, Kind: api.Examples, Data: s.material.about()[0], Open: cli.Sibling("floor") + " " + quoted(s.out)}
	if s.task == taskText {
		about.Kind = api.Text
	}
	for _, q := range s.questions {
		about.Questions = append(about.Questions, q.text)
	}
	p := &pages{gauges: newGauges(s.options.Steps, s.trainer.Model.Stages)}
	var err error
	if p.live, err = floor.NewLive(s.trainer, about); err != nil {
		return nil, err
	}
	p.server, err = floor.Serve(p.live, s.out, s.listener, page.Files, map[string]http.Handler{"/metrics": &p.gauges.set})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// observers are told about the run.
func (p *pages) observers() train.Observers { return train.Observers{p.gauges, p.live} }

// close tells the pages how the run has ended, and ends the server.
func (p *pages) close(state api.State) error {
	p.live.End(state)
	return p.server.Close()
}
