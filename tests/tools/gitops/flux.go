package main

import (
	"context"
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// fluxChecks are Flux's own evaluators of expressions, by kind.
type fluxChecks map[schema.GroupKind]*cel.StatusEvaluator

// readChecks reads the checks of a Kustomization, or a file with nothing but them.
func readChecks(path string) (fluxChecks, error) {
	var file map[string]any
	if err := readYAML(path, &file); err != nil {
		return nil, err
	}
	if spec, isWhole := file["spec"].(map[string]any); isWhole {
		file = spec
	}
	text, err := yaml.Marshal(file["healthCheckExprs"])
	if err != nil {
		return nil, err
	}
	var listed []kustomize.CustomHealthCheck
	if err := yaml.UnmarshalStrict(text, &listed); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	checks := fluxChecks{}
	for _, check := range listed {
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

// statusOf gives none for a kind that the file says nothing of.
func (checks fluxChecks) statusOf(object *unstructured.Unstructured) (*status.Result, error) {
	evaluator, found := checks[object.GroupVersionKind().GroupKind()]
	if !found {
		return nil, nil
	}
	return evaluator.Evaluate(context.Background(), object)
}
