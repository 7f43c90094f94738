// Command health says of objects what Flux and everybody who follows kstatus makes of them.
//
// It reads a JSON list of objects from standard input, each with the CEL expressions to be asked about it, and writes a list of
// answers. The library for kstatus is the one that kubectl, Flux and Argo CD's successors share; CEL is Google's, with the
// optional values that Flux switches on.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type question struct {
	Object      map[string]any    `json:"object"`
	Expressions map[string]string `json:"expressions"`
}

type answer struct {
	Status  string          `json:"status"`
	Message string          `json:"message"`
	Results map[string]bool `json:"results"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		return err
	}
	answers := make([]answer, 0, len(questions))
	for _, one := range questions {
		object := &unstructured.Unstructured{Object: whole(one.Object).(map[string]any)}
		computed, err := status.Compute(object)
		if err != nil {
			return err
		}
		results, err := evaluate(object.Object, one.Expressions)
		if err != nil {
			return err
		}
		answers = append(answers, answer{computed.Status.String(), computed.Message, results})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func evaluate(object map[string]any, expressions map[string]string) (map[string]bool, error) {
	options := []cel.EnvOption{cel.OptionalTypes()}
	for name := range object {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	environment, err := cel.NewEnv(options...)
	if err != nil {
		return nil, err
	}
	results := map[string]bool{}
	for name, expression := range expressions {
		ast, issues := environment.Compile(expression)
		if issues.Err() != nil {
			return nil, fmt.Errorf("%s: %w", name, issues.Err())
		}
		program, err := environment.Program(ast)
		if err != nil {
			return nil, err
		}
		value, _, err := program.Eval(object)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		results[name] = value.Value() == true
	}
	return results, nil
}

// whole makes integers of the numbers that are, as Kubernetes' own decoder does.
func whole(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, part := range value {
			value[key] = whole(part)
		}
	case []any:
		for index, part := range value {
			value[index] = whole(part)
		}
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	}
	return value
}
