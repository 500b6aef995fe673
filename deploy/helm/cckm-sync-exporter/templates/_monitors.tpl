{{/* What a ServiceMonitor and a ScrapeConfig share. */}}

{{/* The alerts know an exporter by "cckm_sync" or "cckm-sync" in the name of its job. */}}
{{- define "exporter.job" -}}
{{- $name := include "exporter.fullname" .root -}}
{{- if .job -}}
{{- .job -}}
{{- else if regexMatch "cckm[-_]sync" $name -}}
{{- $name -}}
{{- else -}}
{{- printf "cckm-sync-%s" $name -}}
{{- end -}}
{{- end -}}

{{/* The name of the one appliance. */}}
{{- define "exporter.instance" -}}
{{- if .Values.serviceMonitor.instance -}}
{{- .Values.serviceMonitor.instance -}}
{{- else -}}
{{- with .Values.ciphertrust -}}
{{- list (get (urlParse .url) "host") .domain | compact | join "/" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Relabels a target so that its series are the same whichever pod tells them: else a
     new pod would start the `for` of every alert anew, and its predecessor's alerts would
     last for 20 minutes. `endpoint` has to go because a metric has a label of that name,
     which the boards ask for. Several pods keep theirs, so that they can be told apart. */}}
{{- define "exporter.relabelings" -}}
- action: labeldrop
  regex: {{ ternary "endpoint" "endpoint|pod|container" (gt (int .root.Values.replicaCount) 1) }}
- targetLabel: job
  replacement: {{ include "exporter.job" . | replace "$" "$$" | quote }}
{{- with .instance }}
- targetLabel: instance
  replacement: {{ . | replace "$" "$$" | quote }}
{{- end }}
{{- range $label, $value := .labels }}
- targetLabel: {{ $label }}
  replacement: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- with .relabelings }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* How Prometheus shows who it is. */}}
{{- define "exporter.clientSettings" -}}
{{- with .tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .basicAuth }}
basicAuth:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .authorization }}
authorization:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
