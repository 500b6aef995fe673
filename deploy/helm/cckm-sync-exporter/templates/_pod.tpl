{{/* Parts of both the exporter's pod and that of `helm test`. */}}

{{- define "exporter.args" -}}
{{- $dir := include "exporter.dir" . -}}
{{- with .Values.ciphertrust }}
{{- if not (include "exporter.several" $) }}
- {{ printf "--ciphertrust.url=%s" .url | quote }}
{{- with .username }}
- {{ printf "--ciphertrust.username=%s" . | quote }}
{{- end }}
{{- if .existingSecret }}
- --ciphertrust.password-file={{ $dir }}/login/password
{{- end }}
{{- with .domain }}
- {{ printf "--ciphertrust.domain=%s" . | quote }}
{{- end }}
{{- with .authDomain }}
- {{ printf "--ciphertrust.auth-domain=%s" . | quote }}
{{- end }}
{{- with .connection }}
- {{ printf "--ciphertrust.connection=%s" . | quote }}
{{- end }}
{{- with .clientCertificate.clientId }}
- {{ printf "--ciphertrust.client-id=%s" . | quote }}
{{- end }}
{{- if .clientCertificate.existingSecret }}
- --ciphertrust.cert-file={{ $dir }}/certificate/tls.crt
- --ciphertrust.key-file={{ $dir }}/certificate/tls.key
{{- end }}
{{- if or .caSecret.name .caConfigMap.name }}
- --ciphertrust.ca-file={{ $dir }}/ca/ca.crt
{{- end }}
{{- with .serverName }}
- {{ printf "--ciphertrust.server-name=%s" . | quote }}
{{- end }}
{{- if .insecureSkipVerify }}
- --ciphertrust.insecure-skip-verify
{{- end }}
{{- end }}
{{- end }}
{{- if include "exporter.several" . }}
- --config.file={{ $dir }}/config/targets.yaml
{{- if not .Values.config.targets }}
- --config.enable-auto-reload
{{- end }}
{{- end }}
{{- with .Values.collectors }}
- --collector.disable-defaults
{{- range . }}
- --collector.{{ . }}
{{- end }}
{{- end }}
{{- if .Values.web.existingSecret }}
- --web.config.file={{ $dir }}/web/{{ .Values.web.key }}
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "exporter.env" -}}
{{- $names := list -}}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end -}}
{{- if and (dig "limits" "memory" "" .Values.resources) (not (has "GOMEMLIMIT" $names)) }}
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      containerName: exporter
      resource: limits.memory
      # The server's default would be a conflict at the next kubectl apply --server-side.
      divisor: "1"
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "exporter.volumeMounts" -}}
{{- $dir := include "exporter.dir" . -}}
{{- $one := not (include "exporter.several" .) -}}
{{- with .Values.ciphertrust }}
{{- if and $one .existingSecret }}
- {name: login, mountPath: {{ $dir }}/login, readOnly: true}
{{- end }}
{{- if and $one .clientCertificate.existingSecret }}
- {name: certificate, mountPath: {{ $dir }}/certificate, readOnly: true}
{{- end }}
{{- if and $one (or .caSecret.name .caConfigMap.name) }}
- {name: ca, mountPath: {{ $dir }}/ca, readOnly: true}
{{- end }}
{{- end }}
{{- if not $one }}
- {name: config, mountPath: {{ $dir }}/config, readOnly: true}
{{- end }}
{{- range $i, $name := .Values.mountSecrets }}
- {name: secret-{{ $i }}, mountPath: {{ $dir }}/secrets/{{ $name }}, readOnly: true}
{{- end }}
{{- range $i, $name := .Values.mountConfigMaps }}
- {name: configmap-{{ $i }}, mountPath: {{ $dir }}/configmaps/{{ $name }}, readOnly: true}
{{- end }}
{{- if .Values.web.existingSecret }}
- {name: web, mountPath: {{ $dir }}/web, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Only the pod's group can read Secrets: the exporter warns about a secret that everybody
     can read. */}}
{{- define "exporter.volumes" -}}
{{- $one := not (include "exporter.several" .) -}}
{{- with .Values.ciphertrust }}
{{- if and $one .existingSecret }}
- name: login
  secret:
    secretName: {{ .existingSecret | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .passwordKey | quote }}, path: password}
{{- end }}
{{- with .clientCertificate }}
{{- if and $one .existingSecret }}
- name: certificate
  secret:
    secretName: {{ .existingSecret | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .certKey | quote }}, path: tls.crt}
      - {key: {{ .keyKey | quote }}, path: tls.key}
{{- end }}
{{- end }}
{{- if and $one .caSecret.name }}
- name: ca
  secret:
    secretName: {{ .caSecret.name | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .caSecret.key | quote }}, path: ca.crt}
{{- else if and $one .caConfigMap.name }}
- name: ca
  configMap:
    name: {{ .caConfigMap.name | quote }}
    items:
      - {key: {{ .caConfigMap.key | quote }}, path: ca.crt}
{{- end }}
{{- end }}
{{- with .Values.config }}
{{- if .existingSecret }}
- name: config
  secret:
    secretName: {{ .existingSecret | quote }}
    defaultMode: 0440
    items:
      - {key: {{ .key | quote }}, path: targets.yaml}
{{- else if .existingConfigMap }}
- name: config
  configMap:
    name: {{ .existingConfigMap | quote }}
    items:
      - {key: {{ .key | quote }}, path: targets.yaml}
{{- else if .targets }}
- name: config
  configMap:
    name: {{ include "exporter.fullname" $ | quote }}
{{- end }}
{{- end }}
{{- range $i, $name := .Values.mountSecrets }}
- name: secret-{{ $i }}
  secret:
    secretName: {{ $name | quote }}
    defaultMode: 0440
{{- end }}
{{- range $i, $name := .Values.mountConfigMaps }}
- name: configmap-{{ $i }}
  configMap:
    name: {{ $name | quote }}
{{- end }}
{{- with .Values.web.existingSecret }}
- name: web
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A probe can only connect if requests need a password or a client certificate. */}}
{{- define "exporter.probe" -}}
{{- if .root.Values.web.authentication }}
tcpSocket:
  port: http
{{- else }}
httpGet:
  path: {{ .path }}
  port: http
  {{- if .root.Values.web.tls }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- with .times }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Scheduling, security and network of a pod. */}}
{{- define "exporter.podSpec" -}}
serviceAccountName: {{ include "exporter.serviceAccountName" . | quote }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
# A service called cckm-sync-exporter would put variables of the exporter's own prefix
# into the environment.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.initContainers }}
initContainers:
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
{{- end -}}

{{/* A container of the exporter. */}}
{{- define "exporter.container" -}}
name: exporter
image: {{ include "exporter.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with include "exporter.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with include "exporter.volumeMounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
