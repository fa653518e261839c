package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	luajson "layeh.com/gopher-json"
)

const (
	// prefix begins the keys of argocd-cm that hold a script for the health of a kind.
	prefix = "resource.customizations.health."
	// scriptTime is how long Argo CD lets a script run.
	scriptTime = time.Second
)

// health is what a script says of an object.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// readScripts reads the scripts of a ConfigMap, by group and kind as in `amiseal.dev_AMIMigration`.
func readScripts(path string) (map[string]string, error) {
	var configMap struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]any    `json:"metadata"`
		Data       map[string]string `json:"data"`
	}
	if err := readYAML(path, &configMap); err != nil {
		return nil, err
	}
	scripts := map[string]string{}
	for key, script := range configMap.Data {
		kind, isHealth := strings.CutPrefix(key, prefix)
		if !isHealth {
			return nil, fmt.Errorf("%s: %s holds no script for the health of a kind", path, key)
		}
		scripts[kind] = script
	}
	return scripts, nil
}

// healthOf runs the script for an object's kind, with no more than Argo CD lets it use: of Lua's libraries only the
// base and the tables, so that there is no `string`. (There is `os` in Argo CD, with the time; a script that asks for
// the time would give another answer without any change, so it gets none here.)
func healthOf(object *unstructured.Unstructured, scripts map[string]string) (*health, error) {
	kind := object.GroupVersionKind().GroupKind()
	script, found := scripts[kind.Group+"_"+kind.Kind]
	if !found {
		return nil, fmt.Errorf("there is no script for %s", kind)
	}
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return nil, err
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), scriptTime)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("obj", luajson.DecodeValue(state, numbers(object.Object)))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	returned, err := luajson.Encode(state.Get(-1))
	if err != nil {
		return nil, err
	}
	said := &health{}
	if err := json.Unmarshal(returned, said); err != nil {
		return nil, fmt.Errorf("the script has returned %s: %w", returned, err)
	}
	switch said.Status {
	case "Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown":
		return said, nil
	}
	return nil, fmt.Errorf("the script has returned %s, which is no status", returned)
}

// numbers makes every number a float64: all that Lua knows, and all that the conversion takes.
func numbers(value any) any {
	switch value := value.(type) {
	case int64:
		return float64(value)
	case []any:
		return each(value)
	case map[string]any:
		converted := make(map[string]any, len(value))
		for key, item := range value {
			converted[key] = numbers(item)
		}
		return converted
	default:
		return runtime.DeepCopyJSONValue(value)
	}
}

func each(values []any) []any {
	converted := make([]any, len(values))
	for index, item := range values {
		converted[index] = numbers(item)
	}
	return converted
}
