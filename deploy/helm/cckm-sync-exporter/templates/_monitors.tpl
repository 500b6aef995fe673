{{/* Parts of both a ServiceMonitor and a ScrapeConfig. */}}

{{/* The alerts recognize an exporter by "cckm_sync" or "cckm-sync" in the name of its job. */}}
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

{{/* Relabels a target so that its series do not depend on the pod: otherwise a new pod
     would restart the `for` of every alert, and its predecessor's alerts would last for 20
     minutes. `endpoint` is dropped because a metric has a label of that name, which the
     boards use. Several pods keep their labels, which distinguish them. */}}
{{- define "exporter.relabelings" -}}
- action: labeldrop
  regex: {{ ternary "endpoint" "endpoint|pod|container" (gt (int .root.Values.replicaCount) 1) }}
- action: replace
  targetLabel: job
  replacement: {{ include "exporter.job" . | replace "$" "$$" | quote }}
{{- with .instance }}
- action: replace
  targetLabel: instance
  replacement: {{ . | replace "$" "$$" | quote }}
{{- end }}
{{- range $label, $value := .labels }}
- action: replace
  targetLabel: {{ $label | quote }}
  replacement: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- include "exporter.withActions" .relabelings }}
{{- end -}}

{{/* Relabelings, each with its action: the default of the Operator's schema would be a
     conflict at the next kubectl apply --server-side. */}}
{{- define "exporter.withActions" -}}
{{- range . }}
- {{ merge (dict) . (dict "action" "replace") | toYaml | indent 2 | trim }}
{{- end }}
{{- end -}}

{{/* TLS and authentication of Prometheus. */}}
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
