package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type loadOptions struct {
	address, shape, tokens, caller string
	tls                    bool
	connections, rate      int
	duration               time.Duration
}

// report is what is printed: one JSON object on one line.
type report struct {
	Requests    int            `json:"requests"`
	Seconds     float64        `json:"seconds"`
	Statuses    map[string]int `json:"statuses"`
	P50Millis   float64        `json:"p50Millis"`
	P99Millis   float64        `json:"p99Millis"`
	Unconnected int            `json:"unconnected"`
}

// generate sends ready-made requests over keep-alive connections and reads just enough of each answer. net/http's
// client would cost more than the servers that are measured, and would itself become the limit.
func generate(options loadOptions) error {
	requests, err := prepare(options)
	if err != nil {
		return err
	}
	var next atomic.Int64
	var group sync.WaitGroup
	results := make([]worker, options.connections)
	start := time.Now()
	for number := range results {
		results[number] = worker{statuses: map[string]int{}, deadline: start.Add(options.duration)}
		if options.rate > 0 {
			results[number].every = time.Second * time.Duration(options.connections) / time.Duration(options.rate)
			// Spread over one period, so that a paced load has no bursts of its own.
			results[number].first = start.Add(results[number].every * time.Duration(number) / time.Duration(options.connections))
		}
		group.Go(func() { results[number].run(options, requests, &next) })
	}
	group.Wait()
	return json.NewEncoder(os.Stdout).Encode(summarise(results, time.Since(start)))
}

type worker struct {
	deadline    time.Time
	first       time.Time
	every       time.Duration
	statuses    map[string]int
	latencies   []time.Duration
	unconnected int
}

func (one *worker) run(options loadOptions, requests [][]byte, next *atomic.Int64) {
	for time.Now().Before(one.deadline) {
		if err := one.converse(options, requests, next); err != nil {
			one.unconnected++
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// converse keeps one connection busy until the deadline, or until it breaks.
func (one *worker) converse(options loadOptions, requests [][]byte, next *atomic.Int64) error {
	connection, err := dial(options)
	if err != nil {
		return err
	}
	defer connection.Close()
	// An answer that does not come must not hold up the run.
	_ = connection.SetDeadline(one.deadline.Add(5 * time.Second))
	reader := bufio.NewReaderSize(connection, 8<<10)
	due := one.first
	for time.Now().Before(one.deadline) {
		if one.every > 0 {
			time.Sleep(time.Until(due))
			due = due.Add(one.every)
			one.first = due
		}
		sent := time.Now()
		if _, err := connection.Write(requests[int(next.Add(1))%len(requests)]); err != nil {
			return err
		}
		status, err := answer(reader)
		if err != nil {
			return err
		}
		one.statuses[status]++
		one.latencies = append(one.latencies, time.Since(sent))
	}
	return nil
}

func dial(options loadOptions) (net.Conn, error) {
	if !options.tls {
		return net.DialTimeout("tcp", options.address, 5*time.Second)
	}
	// The certificate was made a minute ago for this very run; nothing secret of anybody's is sent.
	settings := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	return tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", options.address, settings)
}

// answer reads one response that has a Content-Length (204 and 304 excepted) and returns its status code.
func answer(reader *bufio.Reader) (string, error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(line) < len("HTTP/1.1 200") {
		return "", errors.New("short status line")
	}
	status := string(line[9:12])
	length := 0
	for {
		if line, err = reader.ReadSlice('\n'); err != nil {
			return "", err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", err
			}
		}
	}
	_, err = reader.Discard(length)
	return status, err
}

func prepare(options loadOptions) ([][]byte, error) {
	file, err := os.Open(options.tokens)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	build, known := map[string]func(address, token string) []byte{
		"forward-auth":  forwardAuthRequest,
		"ext-authz":     extAuthzRequest,
		"token-review":  tokenReviewRequest,
		"introspection": introspectionRequest(options.caller),
	}[options.shape]
	if !known {
		return nil, errors.New("no such shape: " + options.shape)
	}
	var requests [][]byte
	for _, token := range strings.Fields(string(content)) {
		requests = append(requests, build(options.address, token))
	}
	if len(requests) == 0 {
		return nil, errors.New(options.tokens + " holds no token")
	}
	return requests, nil
}

// forwardAuthRequest is what an ingress controller sends: 13 headers.
func forwardAuthRequest(address, token string) []byte {
	return []byte("GET /validate HTTP/1.1\r\nHost: " + address + "\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Accept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB,en;q=0.9\r\n" +
		"Authorization: Bearer " + token + "\r\n" +
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: orders.example.com\r\nX-Forwarded-Method: GET\r\n" +
		"X-Forwarded-Port: 443\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /orders/1\r\n" +
		"X-Request-Id: 6b0b6ea1c5c14dffb2ac11f5d4e9f0a1\r\n\r\n")
}

// extAuthzRequest is what Envoy sends: the client's own path, and little else.
func extAuthzRequest(address, token string) []byte {
	return []byte("GET /orders/1?page=2 HTTP/1.1\r\nhost: orders.example.com\r\ncontent-length: 0\r\n" +
		"authorization: Bearer " + token + "\r\nx-envoy-internal: true\r\nx-forwarded-for: 127.0.0.1\r\n" +
		"x-forwarded-proto: https\r\nx-request-id: 6b0b6ea1-c5c1-4dff-b2ac-11f5d4e9f0a1\r\n" +
		"x-envoy-expected-rq-timeout-ms: 1000\r\n\r\n")
}

// introspectionRequest is what a resource server sends, with the credentials of caller (id:token) by Basic.
func introspectionRequest(caller string) func(address, token string) []byte {
	credentials := base64.StdEncoding.EncodeToString([]byte(caller))
	return func(address, token string) []byte {
		return fmt.Appendf(nil, "POST /introspect HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\n"+
			"Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n"+
			"User-Agent: resource-server\r\n\r\ntoken=%s", address, credentials, len(token)+len("token="), token)
	}
}

// tokenReviewRequest is what kube-apiserver sends: six headers.
func tokenReviewRequest(address, token string) []byte {
	body := `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},` +
		`"spec":{"token":"` + token + `"},"status":{"user":{}}}` + "\n"
	return fmt.Appendf(nil, "POST /authenticate?timeout=30s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kube-apiserver\r\n"+
		"Content-Length: %d\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n"+
		"Accept-Encoding: gzip\r\n\r\n%s", address, len(body), body)
}

func summarise(results []worker, elapsed time.Duration) report {
	total := report{Seconds: elapsed.Seconds(), Statuses: map[string]int{}}
	var latencies []time.Duration
	for _, one := range results {
		for status, count := range one.statuses {
			total.Statuses[status] += count
			total.Requests += count
		}
		latencies = append(latencies, one.latencies...)
		total.Unconnected += one.unconnected
	}
	slices.Sort(latencies)
	if len(latencies) > 0 {
		total.P50Millis = millis(latencies[len(latencies)/2])
		total.P99Millis = millis(latencies[len(latencies)*99/100])
	}
	return total
}

func millis(value time.Duration) float64 { return float64(value.Microseconds()) / 1000 }
