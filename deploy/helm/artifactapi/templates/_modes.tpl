{{- /* What the values amount to, each "yes" or nothing, and what cannot be. */ -}}

{{- /* Nothing is kept in the pod: any number of replicas. */ -}}
{{- define "artifactapi.isShared" -}}
{{- if and .Values.postgres.host .Values.s3.endpoint }}yes{{ end }}
{{- end }}

{{- define "artifactapi.isMany" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}yes{{ end }}
{{- end }}

{{- define "artifactapi.hasVolume" -}}
{{- if and (not (include "artifactapi.isShared" .)) .Values.persistence.enabled }}yes{{ end }}
{{- end }}

{{- define "artifactapi.hasSettings" -}}
{{- if or .Values.existingConfigMap .Values.settings }}yes{{ end }}
{{- end }}

{{- /* The secrets that this chart makes: those that were given as values. */ -}}
{{- define "artifactapi.secrets" -}}
{{- $secrets := dict }}
{{- with .Values.adminToken }}{{ if and .value (not .existingSecret) }}{{ $_ := set $secrets "ADMIN_TOKEN" .value }}{{ end }}{{ end }}
{{- with .Values.postgres }}{{ if and .host .password (not .existingSecret) }}{{ $_ := set $secrets "DBPASS" .password }}{{ end }}{{ end }}
{{- with .Values.redis }}{{ if and .url (not .existingSecret) }}{{ $_ := set $secrets "REDIS_URL" .url }}{{ end }}{{ end }}
{{- with .Values.s3 }}{{ if and .endpoint (not .existingSecret) }}
{{- $_ := set $secrets "MINIO_ACCESS_KEY" .accessKey }}{{ $_ := set $secrets "MINIO_SECRET_KEY" .secretKey }}
{{- end }}{{ end }}
{{- toYaml $secrets }}
{{- end }}

{{- define "artifactapi.checked" -}}
{{- if and (include "artifactapi.isMany" .) (not (include "artifactapi.isShared" .)) }}
{{- fail "More than one replica needs a catalog and blobs that all of them share: set postgres.host and s3.endpoint, or replicaCount: 1 and autoscaling.enabled: false" }}
{{- end }}
{{- if and (include "artifactapi.isShared" .) (not (or .Values.adminToken.value .Values.adminToken.existingSecret)) }}
{{- fail "Without a volume there is no place to keep a token that was made: set adminToken.existingSecret, or adminToken.value" }}
{{- end }}
{{- if and .Values.s3.endpoint (not .Values.s3.existingSecret) (not (and .Values.s3.accessKey .Values.s3.secretKey)) }}
{{- fail "S3 needs keys: set s3.existingSecret, or s3.accessKey and s3.secretKey" }}
{{- end }}
{{- if and .Values.settings .Values.existingConfigMap }}
{{- fail "The repositories are said twice: set settings or existingConfigMap" }}
{{- end }}
{{- end }}
