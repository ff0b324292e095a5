{{- /* The variables of the container. What has a value of its own in values.yaml is not taken from `env`. */ -}}

{{- define "artifactapi.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .existing | default .own }}
      key: {{ ternary .key .name (not (empty .existing)) }}
{{- end }}

{{- define "artifactapi.environment" -}}
{{- $own := include "artifactapi.fullname" . -}}
- name: DATA_DIR
  value: /data
{{- if include "artifactapi.hasSettings" . }}
- name: CONFIG_PATH
  value: /etc/artifactapi/remotes.yaml
{{- end }}
{{- with .Values.publicUrl }}
- name: PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.adminToken }}
{{- if or .value .existingSecret }}
{{- include "artifactapi.secretVariable" (dict "name" "ADMIN_TOKEN" "existing" .existingSecret "key" .key "own" $own) | nindent 0 }}
{{- end }}
{{- end }}
{{- if include "artifactapi.isShared" . }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
# Where the other replicas follow a download that this one leads.
- name: ADVERTISE_ADDR
  value: {{ .Values.peerAddress | quote }}
{{- end }}
{{- with .Values.postgres }}
{{- if .host }}
- name: DBHOST
  value: {{ .host | quote }}
- name: DBPORT
  value: {{ .port | quote }}
- name: DBUSER
  value: {{ .user | quote }}
- name: DBNAME
  value: {{ .database | quote }}
- name: DBSCHEMA
  value: {{ .schema | quote }}
- name: DBSSLMODE
  value: {{ .sslMode | quote }}
{{- if or .password .existingSecret }}
{{- include "artifactapi.secretVariable" (dict "name" "DBPASS" "existing" .existingSecret "key" .key "own" $own) | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.redis }}
{{- if or .url .existingSecret }}
{{- include "artifactapi.secretVariable" (dict "name" "REDIS_URL" "existing" .existingSecret "key" .key "own" $own) | nindent 0 }}
{{- end }}
{{- end }}
{{- with .Values.s3 }}
{{- if .endpoint }}
- name: MINIO_ENDPOINT
  value: {{ .endpoint | quote }}
- name: MINIO_BUCKET
  value: {{ .bucket | quote }}
- name: MINIO_REGION
  value: {{ .region | quote }}
- name: MINIO_SECURE
  value: {{ .secure | quote }}
- name: MINIO_ADDRESSING
  value: {{ .addressing | quote }}
{{- include "artifactapi.secretVariable" (dict "name" "MINIO_ACCESS_KEY" "existing" .existingSecret "key" .accessKeyKey "own" $own) | nindent 0 }}
{{- include "artifactapi.secretVariable" (dict "name" "MINIO_SECRET_KEY" "existing" .existingSecret "key" .secretKeyKey "own" $own) | nindent 0 }}
- name: BLOB_CACHE_SIZE
  value: {{ $.Values.blobCache.size | quote }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
