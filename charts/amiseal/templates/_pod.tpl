{{- /* What the controller's pods and the pod of `helm test` have in common: identity, and where and how they run. */}}
{{- define "amiseal.podSettings" -}}
serviceAccountName: {{ include "amiseal.serviceAccountName" . | quote }}
automountServiceAccountToken: true
# Else every Service of the namespace becomes a handful of variables.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraVolumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Which of AWS's endpoints both call. */}}
{{- define "amiseal.endpoints" -}}
{{- if .Values.controller.fipsEndpoints }}
- --fips-endpoints
{{- end }}
{{- if .Values.controller.dualStackEndpoints }}
- --dual-stack-endpoints
{{- end }}
{{- end }}

{{- /* The same of their containers: image, environment, and what they may take. */}}
{{- define "amiseal.containerSettings" -}}
image: {{ include "amiseal.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
env:
# The Leases' namespace, and this replica's name in the Leases and in Events.
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- range $number, $variable := .Values.extraEnv }}
{{- if has $variable.name (list "POD_NAMESPACE" "POD_NAME") }}
{{- fail (printf "extraEnv[%d].name is %s, which the chart sets itself: take it out" $number $variable.name) }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraVolumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
