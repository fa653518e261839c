package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	fluxv1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// fluxChecks are Flux's own evaluators of expressions, by kind.
type fluxChecks map[schema.GroupKind]*cel.StatusEvaluator

// readChecks reads a file with nothing but what a Kustomization has under healthCheckExprs.
func readChecks(path string) (fluxChecks, error) {
	var file struct {
		Listed []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
	}
	if err := readYAML(path, &file); err != nil {
		return nil, err
	}
	checks := fluxChecks{}
	for _, check := range file.Listed {
		evaluator, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", path, check.Kind, err)
		}
		kind := schema.FromAPIVersionAndKind(check.APIVersion, check.Kind).GroupKind()
		if _, twice := checks[kind]; twice {
			return nil, fmt.Errorf("%s: there are two checks of %s", path, kind)
		}
		checks[kind] = evaluator
	}
	return checks, nil
}

// checkObjects refuses what Flux's own types do not have, in a file with objects of Flux.
func checkObjects(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	types := map[string]func() any{
		sourcev1.GroupVersion.String() + " GitRepository": func() any { return &sourcev1.GitRepository{} },
		fluxv1.GroupVersion.String() + " Kustomization":   func() any { return &fluxv1.Kustomization{} },
	}
	for _, document := range strings.Split(string(text), "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		empty, known := types[kind.APIVersion+" "+kind.Kind]
		if !known {
			return fmt.Errorf("%s: %s %s is no kind of Flux that is known here", path, kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(document), empty()); err != nil {
			return fmt.Errorf("%s, %s: %w", path, kind.Kind, err)
		}
	}
	return nil
}

// statusOf gives none for a kind that the file says nothing of.
func (checks fluxChecks) statusOf(object *unstructured.Unstructured) (*status.Result, error) {
	evaluator, found := checks[object.GroupVersionKind().GroupKind()]
	if !found {
		return nil, nil
	}
	return evaluator.Evaluate(context.Background(), object)
}
