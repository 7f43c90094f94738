package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The shape of a token: prefix_id_secret, where the checksum at the end of the secret is not looked at (the
// validator does not look at it either).
const (
	prefix     = "svt_"
	idLength   = 12
	idEnd      = len(prefix) + idLength
	fullLength = idEnd + 1 + 49
)

// record is one stored token, with its account and its roles already joined: all in favour of this server, since
// the validator joins them when a token is presented.
type record struct {
	ID          string   `json:"id"`
	UID         string   `json:"uid"`
	Serial      int      `json:"serial"`
	Verifier    string   `json:"verifier"`
	Expires     int64    `json:"expires"`
	ExpiresText string   `json:"expiresText"`
	Namespace   string   `json:"namespace"`
	Account     string   `json:"account"`
	AccountUID  string   `json:"accountUID"`
	Roles       []string `json:"roles"`
	Permissions []string `json:"permissions"`

	digest      []byte
	roles       string
	permissions string
}

type index struct {
	key     []byte
	records map[string]*record
}

func readIndex(path string) (*index, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Key     []byte    `json:"key"`
		Records []*record `json:"records"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	result := &index{key: file.Key, records: make(map[string]*record, len(file.Records))}
	for _, item := range file.Records {
		if item.digest, err = hex.DecodeString(item.Verifier); err != nil {
			return nil, fmt.Errorf("%s: verifier of %s: %w", path, item.ID, err)
		}
		item.roles = strings.Join(item.Roles, ",")
		item.permissions = strings.Join(item.Permissions, " ")
		result.records[item.ID] = item
	}
	return result, nil
}

// verify makes the same check as the validator: shape, id, HMAC in constant time, expiry.
func (stored *index) verify(token string) *record {
	if len(token) != fullLength || !strings.HasPrefix(token, prefix) || token[idEnd] != '_' {
		return nil
	}
	found := stored.records[token[len(prefix):idEnd]]
	if found == nil {
		return nil
	}
	mac := hmac.New(sha256.New, stored.key)
	mac.Write([]byte("svt-hmac-v1\x00" + found.UID + "\x00" + strconv.Itoa(found.Serial) + "\x00" + token))
	if !hmac.Equal(mac.Sum(nil), found.digest) || time.Now().Unix() >= found.Expires {
		return nil
	}
	return found
}
