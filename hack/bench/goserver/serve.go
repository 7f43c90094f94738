package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

type serverOptions struct {
	index, forwardAuth, tokenReview, certificate, key string
}

const maxBody = 64 << 10

// The wire types of authentication.k8s.io/v1 that a webhook needs.
type tokenReview struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Spec       *reviewSpec  `json:"spec,omitempty"`
	Status     reviewStatus `json:"status"`
}

type reviewSpec struct {
	Token     string   `json:"token"`
	Audiences []string `json:"audiences,omitempty"`
}

type reviewStatus struct {
	Authenticated bool        `json:"authenticated"`
	User          *reviewUser `json:"user,omitempty"`
}

type reviewUser struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

func run(options serverOptions) error {
	stored, err := readIndex(options.index)
	if err != nil {
		return err
	}
	plainListener, err := net.Listen("tcp", options.forwardAuth)
	if err != nil {
		return err
	}
	secureListener, err := net.Listen("tcp", options.tokenReview)
	if err != nil {
		return err
	}
	plain, secure := server(stored), server(stored)
	// HTTP/1.1 only, as the validator: Go's HTTP/2 costs several times as much per request.
	secure.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}}
	secure.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	failed := make(chan error, 2)
	go func() { failed <- plain.Serve(plainListener) }()
	go func() { failed <- secure.ServeTLS(secureListener, options.certificate, options.key) }()
	return <-failed
}

func server(stored *index) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/validate", stored.forwardAuth)
	mux.HandleFunc("/authenticate", stored.tokenReview)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
}

func (stored *index) forwardAuth(response http.ResponseWriter, request *http.Request) {
	token, err := bearer(request)
	if err != nil {
		http.Error(response, "", http.StatusBadRequest)
		return
	}
	found := stored.verify(token)
	if found == nil {
		response.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(response, "", http.StatusUnauthorized)
		return
	}
	header := response.Header()
	header.Set("X-ServiceToken-Account", found.Account)
	header.Set("X-ServiceToken-Namespace", found.Namespace)
	header.Set("X-ServiceToken-Roles", found.roles)
	header.Set("X-ServiceToken-Permissions", found.permissions)
	header.Set("X-ServiceToken-Id", found.ID)
	header.Set("X-ServiceToken-Expires", found.ExpiresText)
	header.Set("Cache-Control", "no-store")
	response.WriteHeader(http.StatusOK)
}

func (stored *index) tokenReview(response http.ResponseWriter, request *http.Request) {
	var review tokenReview
	if err := json.NewDecoder(http.MaxBytesReader(response, request.Body, maxBody)).Decode(&review); err != nil || review.Spec == nil {
		http.Error(response, "", http.StatusBadRequest)
		return
	}
	found := stored.verify(review.Spec.Token)
	review.Spec, review.Status = nil, reviewStatus{}
	if found != nil {
		review.Status = reviewStatus{Authenticated: true, User: found.user()}
	}
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(&review)
}

func (found *record) user() *reviewUser {
	groups := []string{"servicetokens:accounts", "servicetokens:accounts:" + found.Namespace}
	for _, role := range found.Roles {
		groups = append(groups, "servicetokens:role:"+role)
	}
	return &reviewUser{
		Username: "servicetoken:" + found.Namespace + ":" + found.Account,
		UID:      found.AccountUID,
		Groups:   groups,
		Extra:    map[string][]string{"servicetokens.dev/token-id": {found.ID}},
	}
}

func bearer(request *http.Request) (string, error) {
	values := request.Header["Authorization"]
	if len(values) != 1 {
		return "", errors.New("exactly one Authorization header is needed")
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || strings.Contains(token, ",") {
		return "", errors.New("not a bearer token")
	}
	return token, nil
}
