{{/* The schema cannot refuse combinations of values, so these templates do. Each message
     includes the fix. */}}

{{/* "true" if several targets are configured, else empty. */}}
{{- define "exporter.several" -}}
{{- with .Values.config -}}
{{- if or .targets .existingConfigMap .existingSecret -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validate" -}}
{{- $several := include "exporter.several" . -}}
{{- if and $several .Values.ciphertrust.url -}}
{{- fail "ciphertrust.url is for one appliance, and config for several: give one of the two." -}}
{{- else if $several -}}
{{- include "exporter.validateConfig" . -}}
{{- else if .Values.ciphertrust.url -}}
{{- include "exporter.validateAppliance" . -}}
{{- else -}}
{{- fail "No appliance is named: give its address in ciphertrust.url, or several targets in config.targets." -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and (has .name (list "CM_PASSWORD" "CIPHERTRUST_PASSWORD")) (hasKey . "value") -}}
{{- fail "extraEnv has the value of a password, but values must not contain secrets: use ciphertrust.existingSecret or valueFrom." -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.web.tls .Values.web.authentication) (not .Values.web.existingSecret) -}}
{{- fail "web.tls and web.authentication describe the web configuration, which is missing: give web.existingSecret." -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "The Ingress has no host: give ingress.hosts." -}}
{{- end -}}
{{- include "exporter.validateMonitors" . -}}
{{- if not (contains "/" (include "exporter.image" .)) -}}
{{- fail "The image has no registry: push it to yours and give that in image.registry, or localhost if the nodes have the image already." -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validateAppliance" -}}
{{- $given := list -}}
{{- range .Values.extraEnv }}{{ $given = append $given .name }}{{ end -}}
{{- range .Values.extraArgs }}{{ $given = append $given (splitList "=" . | first) }}{{ end -}}
{{- with .Values.ciphertrust -}}
{{- if and .caSecret.name .caConfigMap.name -}}
{{- fail "The CA is named twice: give ciphertrust.caSecret.name or ciphertrust.caConfigMap.name." -}}
{{- end -}}
{{- $client := .clientCertificate -}}
{{- if and $client.clientId (or .username .existingSecret) -}}
{{- fail "ciphertrust.clientCertificate.clientId logs in by the certificate, and ciphertrust.username with existingSecret by a password: give one of the two." -}}
{{- else if and $client.clientId (not $client.existingSecret) -}}
{{- fail "ciphertrust.clientCertificate.clientId needs a certificate: give the name of its Secret in ciphertrust.clientCertificate.existingSecret." -}}
{{- else if not $client.clientId -}}
{{- if not (or .username (has "CM_USERNAME" $given) (has "CIPHERTRUST_USERNAME" $given) (has "--ciphertrust.username" $given) (has "--ciphertrust.client-id" $given)) -}}
{{- fail "There is no user: give ciphertrust.username, or ciphertrust.clientCertificate.clientId." -}}
{{- end -}}
{{- if not (or .existingSecret (has "CM_PASSWORD" $given) (has "CIPHERTRUST_PASSWORD" $given) (has "CM_PASSWORD_FILE" $given) (has "--ciphertrust.password-file" $given) (has "--ciphertrust.client-id" $given)) -}}
{{- fail "There is no password: give the name of its Secret in ciphertrust.existingSecret (values must not contain the password itself)." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validateConfig" -}}
{{- $root := . -}}
{{- with .Values.ciphertrust -}}
{{- range $key, $value := dict "username" .username "existingSecret" .existingSecret "domain" .domain "authDomain" .authDomain "connection" .connection "serverName" .serverName "insecureSkipVerify" .insecureSkipVerify "caSecret.name" .caSecret.name "caConfigMap.name" .caConfigMap.name "clientCertificate.existingSecret" .clientCertificate.existingSecret "clientCertificate.clientId" .clientCertificate.clientId -}}
{{- if $value -}}
{{- fail (printf "ciphertrust.%s is for one appliance, and config for several: set it in the targets instead." $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.config -}}
{{- if gt (len (compact (list (ternary "targets" "" (not (empty .targets))) .existingConfigMap .existingSecret))) 1 -}}
{{- fail "The targets are given twice: give one of config.targets, config.existingConfigMap and config.existingSecret." -}}
{{- end -}}
{{- range .targets -}}
{{- include "exporter.validateMounted" (dict "root" $root "target" .name "key" "password_file" "path" (.password_file | default "")) -}}
{{- $name := .name -}}
{{- range $key, $path := .tls_config -}}
{{- if hasSuffix "_file" $key -}}
{{- include "exporter.validateMounted" (dict "root" $root "target" $name "key" $key "path" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A target's file must be in a mounted Secret or ConfigMap, or in extraVolumes. */}}
{{- define "exporter.validateMounted" -}}
{{- $dir := printf "%s/" (include "exporter.dir" .root) -}}
{{- if hasPrefix $dir .path -}}
{{- $parts := splitList "/" (trimPrefix $dir .path) -}}
{{- $kind := first $parts -}}
{{- $name := append $parts "" | rest | first -}}
{{- if and (eq $kind "secrets") (not (has $name .root.Values.mountSecrets)) -}}
{{- fail (printf "The %s of the target %s is in the Secret %s: name that in mountSecrets." .key .target $name) -}}
{{- else if and (eq $kind "configmaps") (not (has $name .root.Values.mountConfigMaps)) -}}
{{- fail (printf "The %s of the target %s is in the ConfigMap %s: name that in mountConfigMaps." .key .target $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "exporter.validateMonitors" -}}
{{- if and .Values.serviceMonitor.enabled .Values.scrapeConfig.enabled -}}
{{- fail "serviceMonitor and scrapeConfig would scrape each target twice: enable one of the two." -}}
{{- else if and .Values.serviceMonitor.enabled (or .Values.config.existingConfigMap .Values.config.existingSecret) -}}
{{- fail "A ServiceMonitor cannot include the targets of an existing ConfigMap or Secret, which the chart does not know: enable scrapeConfig instead of serviceMonitor." -}}
{{- else if and .Values.scrapeConfig.enabled (not (include "exporter.several" .)) -}}
{{- fail "scrapeConfig discovers several targets, and there is one appliance: enable serviceMonitor." -}}
{{- end -}}
{{- end -}}
