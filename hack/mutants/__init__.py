"""Do the tests notice mistakes? Each mutant is one; `make mutants` fails when the tests overlook one of them."""
