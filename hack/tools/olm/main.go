// Command olm validates a bundle for the Operator Lifecycle Manager, as its own tools do: one problem a line.
package main

import (
	"fmt"
	"os"

	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/validation"
)

func main() {
	bundle, err := manifests.GetBundleFromDir(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	objects := []any{bundle, bundle.CSV}
	for _, crd := range bundle.V1CRDs {
		objects = append(objects, crd)
	}
	for _, object := range bundle.Objects {
		objects = append(objects, object)
	}
	isBad := false
	for _, result := range validation.DefaultBundleValidators.Validate(objects...) {
		for _, problem := range append(result.Errors, result.Warnings...) {
			fmt.Println(problem.Error())
			isBad = true
		}
	}
	if isBad {
		os.Exit(1)
	}
}
