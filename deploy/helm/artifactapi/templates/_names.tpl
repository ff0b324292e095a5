{{- /* Names and labels. The labels of a selector never change: Kubernetes would refuse the upgrade. */ -}}

{{- define "artifactapi.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "artifactapi.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "artifactapi.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "artifactapi.selectorLabels" -}}
app.kubernetes.io/name: {{ include "artifactapi.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "artifactapi.labels" -}}
{{ include "artifactapi.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "artifactapi.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}

{{- define "artifactapi.configMap" -}}
{{- .Values.existingConfigMap | default (printf "%s-config" (include "artifactapi.fullname" .)) }}
{{- end }}

{{- define "artifactapi.claim" -}}
{{- .Values.persistence.existingClaim | default (printf "%s-data" (include "artifactapi.fullname" .)) }}
{{- end }}
