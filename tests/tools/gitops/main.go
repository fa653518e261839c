// Command gitops says what Argo CD and Flux make of objects.
//
// It reads objects as JSON from standard input, one after the other, and prints for each one line of JSON: the health
// that Argo CD gives it by the scripts of a ConfigMap `argocd-cm`, the status that Flux gives it by the expressions of
// a Kustomization, and the one that kstatus gives it, by which Flux goes where there are no expressions.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// answer is what is printed for one object.
type answer struct {
	ArgoCD  *health  `json:"argocd"`
	Flux    *verdict `json:"flux"`
	Kstatus *verdict `json:"kstatus"`
}

// verdict is a status of kstatus.
type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	argocd := flag.String("argocd", "", "a ConfigMap with scripts for Argo CD, as YAML")
	flux := flag.String("flux", "", "what a Kustomization of Flux has under healthCheckExprs, as YAML")
	objects := flag.String("flux-objects", "", "only check that Flux knows every field of the objects in this file")
	flag.Parse()
	if *objects != "" {
		if err := checkObjects(*objects); err != nil {
			fail(err)
		}
		return
	}
	if err := run(*argocd, *flux, os.Stdin, os.Stdout); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "gitops:", err)
	os.Exit(1)
}

func run(argocd, flux string, in io.Reader, out io.Writer) error {
	scripts, err := readScripts(argocd)
	if err != nil {
		return err
	}
	checks, err := readChecks(flux)
	if err != nil {
		return err
	}
	objects, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var raw json.RawMessage
		if err := objects.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		said, err := judge(raw, scripts, checks)
		if err != nil {
			return err
		}
		if err := answers.Encode(said); err != nil {
			return err
		}
	}
}

func judge(raw []byte, scripts map[string]string, checks fluxChecks) (*answer, error) {
	// With whole numbers as int64, as all of these get them from the API server.
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	name := object.GetKind() + "/" + object.GetName()
	argocd, err := healthOf(object, scripts)
	if err != nil {
		return nil, fmt.Errorf("Argo CD, %s: %w", name, err)
	}
	flux, err := checks.statusOf(object)
	if err != nil {
		return nil, fmt.Errorf("Flux, %s: %w", name, err)
	}
	plain, err := status.Compute(object)
	if err != nil {
		return nil, fmt.Errorf("kstatus, %s: %w", name, err)
	}
	return &answer{ArgoCD: argocd, Flux: verdictOf(flux), Kstatus: verdictOf(plain)}, nil
}

func verdictOf(result *status.Result) *verdict {
	if result == nil {
		return nil
	}
	return &verdict{Status: result.Status.String(), Message: result.Message}
}

// readYAML reads a file, and refuses fields that are not known.
func readYAML(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
