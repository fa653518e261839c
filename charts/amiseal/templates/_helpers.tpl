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

{{- define "amiseal.selectorLabels" -}}
app.kubernetes.io/name: {{ include "amiseal.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "amiseal.labels" -}}
{{ include "amiseal.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
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
