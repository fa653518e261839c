{{- /*
Takes away what is null, wherever it is: Helm does so only where the chart has a default, and an empty key in a map, such
as a label or a limit, would be refused, or mean zero.
*/}}
{{- define "amiseal.prune" -}}
{{- if kindIs "map" . }}
{{- range $key, $value := . }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $ $key }}
{{- else if kindIs "slice" $value }}
{{- $_ := set $ $key (without $value nil) }}
{{- end }}
{{- include "amiseal.prune" (index $ $key) }}
{{- end }}
{{- else if kindIs "slice" . }}
{{- range . }}
{{- include "amiseal.prune" . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "amiseal.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of every object: the release's, with the chart's where that does not say it already. */}}
{{- define "amiseal.fullname" -}}
{{- $name := include "amiseal.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* A Service's name is shorter than other names, and begins with a letter in versions of Kubernetes that are still used. */}}
{{- define "amiseal.metricsName" -}}
{{- $name := include "amiseal.fullname" . }}
{{- if regexMatch "^[^a-z]" $name }}
{{- $name = printf "%s-%s" .Chart.Name $name }}
{{- end }}
{{- printf "%s-metrics" ($name | trunc 55 | trimSuffix "-") }}
{{- end }}

{{- define "amiseal.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- /* The API group of an entry of clusterConsumers; empty for the core group. */}}
{{- define "amiseal.groupOf" -}}
{{- if contains "/" .apiVersion }}
{{- first (splitList "/" .apiVersion) }}
{{- end }}
{{- end }}

{{- /* The option by which replicas and check are told of clusterConsumers. What is there twice is refused. */}}
{{- define "amiseal.clusterConsumers" -}}
{{- $seen := dict }}
{{- range $number, $entry := .Values.clusterConsumers }}
{{- range $name := list $entry.kind $entry.resource }}
{{- $what := printf "%s of %s" $name (include "amiseal.groupOf" $entry | default "the core group") }}
{{- if hasKey $seen $what }}
{{- fail (printf "clusterConsumers[%d] is %s, which is there already: put all its paths into one entry" $number $what) }}
{{- end }}
{{- $_ := set $seen $what true }}
{{- end }}
{{- end }}
{{- printf "--cluster-consumers=%s" (.Values.clusterConsumers | default list | toJson) }}
{{- end }}

{{- define "amiseal.selectorLabels" -}}
app.kubernetes.io/name: {{ include "amiseal.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "amiseal.labels" -}}
{{- include "amiseal.prune" .Values }}
{{- $own := dict "app.kubernetes.io/version" .Chart.AppVersion "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- toYaml (merge $own (include "amiseal.selectorLabels" . | fromYaml) (.Values.commonLabels | default dict)) }}
{{- end }}

{{- /* The labels of one object with labels of its own: (list $ <labels>). The chart's go before them, and they before the common ones. */}}
{{- define "amiseal.labelsWith" -}}
{{- $root := first . }}
{{- $labels := include "amiseal.labels" $root | fromYaml }}
{{- $given := omit (last . | default dict) "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- toYaml (mergeOverwrite $labels $given) }}
{{- end }}

{{- /* The field annotations of an object, or nothing: (list $ <annotations> …), of which the first go before the others. */}}
{{- define "amiseal.annotations" -}}
{{- $root := first . }}
{{- include "amiseal.prune" $root.Values }}
{{- $all := dict }}
{{- range rest . }}
{{- $all = merge $all (. | default dict) }}
{{- end }}
{{- with merge $all ($root.Values.commonAnnotations | default dict) -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The pod of `helm test` is none of the replicas, so it has another name. */}}
{{- define "amiseal.checkName" -}}
{{- printf "%s-check" (include "amiseal.name" . | trunc 57 | trimSuffix "-") }}
{{- end }}

{{- define "amiseal.checkPod" -}}
{{- printf "%s-check" (include "amiseal.fullname" .) }}
{{- end }}

{{- define "amiseal.serviceAccountName" -}}
{{- if .Values.serviceAccount.name }}
{{- .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}
{{- include "amiseal.fullname" . }}
{{- else }}
{{- fail "serviceAccount.name is empty: name the service account that serviceAccount.create: false leaves to you" }}
{{- end }}
{{- end }}

{{- define "amiseal.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}
