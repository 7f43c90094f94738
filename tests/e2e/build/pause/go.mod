module servicetokens.dev/tests/e2e/build/pause

go 1.26.0
