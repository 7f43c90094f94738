{{/*
Names. What lives in the namespace is always called the same: operator and validator look for their keys, Leases and
certificates by name, so there is one installation in a namespace. What belongs to the cluster has the release's name
in it, so that installations in several namespaces do not fight over it.
*/}}
{{- define "servicetokens.clusterName" -}}
{{- $suffix := trimPrefix "servicetokens" .name -}}
{{- if eq .root.Release.Name "servicetokens" }}servicetokens{{ else }}servicetokens-{{ .root.Release.Name }}{{ end }}{{ $suffix }}
{{- end }}

{{/* Never change these: a Deployment's selector is immutable. */}}
{{- define "servicetokens.selector" -}}
app.kubernetes.io/name: servicetokens
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/*
The labels of an object. Arguments: root, component, extra (labels from values). Each key appears once: what selectors and
Helm rely on wins over `extra`, that over `commonLabels`, and that over the rest.
*/}}
{{- define "servicetokens.labels" -}}
{{- $fixed := dict "app.kubernetes.io/name" "servicetokens" "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/managed-by" .root.Release.Service "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- with .component }}
{{- $_ := set $fixed "app.kubernetes.io/component" . }}
{{- end }}
{{- $rest := dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/part-of" "servicetokens" }}
{{- range $name, $value := merge $fixed (.extra | default dict) (.root.Values.commonLabels | default dict) $rest }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/*
Put defaults where a value or a whole block was set to null, which removes it. What Kubernetes has defaults of its own
for stays removed: spreading, resources, security contexts, labels.
Called before anything is read from .Values.
*/}}
{{- define "servicetokens.complete" -}}
{{- include "servicetokens.completed" (dict "values" .Values "defaults" (.Files.Get "files/values.yaml" | fromYaml)) }}
{{- end }}

{{- define "servicetokens.completed" -}}
{{- $values := .values }}
{{- range $name, $default := .defaults }}
{{- $isFree := has $name (list "topologySpreadConstraints" "resources" "labels" "commonLabels" "podSecurityContext" "securityContext") }}
{{- if and (kindIs "invalid" (index $values $name)) (not $isFree) }}
{{- $_ := set $values $name (deepCopy $default) }}
{{- else if and (kindIs "map" $default) (not $isFree) }}
{{- include "servicetokens.completed" (dict "values" (get $values $name) "defaults" $default) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The name of the core ServiceAccount that operator or validator runs as. */}}
{{- define "servicetokens.serviceAccountName" -}}
{{- (index .root.Values .component).serviceAccountName | default (printf "servicetokens-%s" .component) }}
{{- end }}

{{- define "servicetokens.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/*
The objects of a file of config/, which is where rights and policies are written down, for this release: its names, its
namespace, its labels. Arguments: root, file, namespace (for what has to be in another one), without (a suffix of
the names of bindings to leave out).
*/}}
{{- define "servicetokens.adopted" -}}
{{- $root := .root -}}
{{- $operator := printf "system:serviceaccount:%s:%s" $root.Release.Namespace (include "servicetokens.serviceAccountName" (dict "root" $root "component" "operator")) -}}
{{- $validator := printf "system:serviceaccount:%s:%s" $root.Release.Namespace (include "servicetokens.serviceAccountName" (dict "root" $root "component" "validator")) -}}
{{- $home := printf "request.namespace == '%s'" $root.Release.Namespace -}}
{{- $text := $root.Files.Get (printf "files/config/%s" .file) | replace "system:serviceaccount:servicetokens:servicetokens-operator" $operator | replace "system:serviceaccount:servicetokens:servicetokens-validator" $validator | replace "request.namespace == 'servicetokens'" $home -}}
{{- range splitList "\n---\n" $text }}
{{- $object := fromYaml . }}
{{- $metadata := $object.metadata }}
{{- $isOfCluster := or (hasPrefix "Cluster" $object.kind) (hasPrefix "ValidatingAdmissionPolicy" $object.kind) }}
{{- if not (and $.without (hasSuffix "Binding" $object.kind) (hasSuffix $.without $metadata.name)) }}
{{- $_ := unset $metadata "namespace" }}
{{- if $isOfCluster }}
{{- $_ := set $metadata "name" (include "servicetokens.clusterName" (dict "root" $root "name" $metadata.name)) }}
{{- else if $.namespace }}
{{- $_ := set $metadata "namespace" $.namespace }}
{{- end }}
{{- $_ := set $metadata "labels" (merge (include "servicetokens.labels" (dict "root" $root) | fromYaml) (default dict $metadata.labels)) }}
{{- with $object.roleRef }}
{{- if eq .kind "ClusterRole" }}
{{- $_ := set . "name" (include "servicetokens.clusterName" (dict "root" $root "name" .name)) }}
{{- end }}
{{- end }}
{{- range $object.subjects }}
{{- if eq .kind "ServiceAccount" }}
{{- $_ := set . "namespace" $root.Release.Namespace }}
{{- $_ := set . "name" (include "servicetokens.serviceAccountName" (dict "root" $root "component" (trimPrefix "servicetokens-" .name))) }}
{{- end }}
{{- end }}
{{- if eq $object.kind "ValidatingAdmissionPolicy" }}
{{- range $object.spec.variables }}
{{- if eq .name "allowedPrefixes" }}
{{- $_ := set . "expression" (toJson $root.Values.templates.allowedPrefixes) }}
{{- end }}
{{- end }}
{{- range $object.spec.matchConditions }}
{{- if and (eq .name "is-served") $root.Values.watchNamespaces }}
{{- $isServed := printf "request.?namespace.orValue('') in %s" (toJson $root.Values.watchNamespaces) }}
{{- if hasSuffix "-status" $metadata.name }}
{{- /* Roles are in no namespace; each installation's operator writes their status. */}}
{{- $isServed = printf "%s || (request.resource.resource == 'serviceroles' && !request.userInfo.username.matches('^system:serviceaccount:[^:]+:servicetokens-operator$'))" $isServed }}
{{- end }}
{{- $_ := set . "expression" $isServed }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $object.kind "ValidatingAdmissionPolicyBinding" }}
{{- $_ := set $object.spec "policyName" (include "servicetokens.clusterName" (dict "root" $root "name" $object.spec.policyName)) }}
{{- end }}
---
{{ include "servicetokens.yaml" $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the pods of both have in common, but for the container. */}}
{{- define "servicetokens.pod" -}}
{{- $values := index .root.Values .component -}}
serviceAccountName: {{ include "servicetokens.serviceAccountName" . | quote }}
# The token is mounted below, by name: whatever is injected into the pod does not get it.
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $values.podSecurityContext }}
securityContext: {{ toJson . }}
{{- end }}
{{- if $values.hostNetwork }}
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range $values.topologySpreadConstraints }}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "servicetokens.selector" (dict "root" $.root "component" $.component) | fromYaml)) }}
- {{ toJson (merge dict . $selector) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What both containers have in common. */}}
{{- define "servicetokens.container" -}}
{{- $values := index .root.Values .component -}}
image: {{ include "servicetokens.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- with $values.securityContext }}
securityContext: {{ toJson . }}
{{- end }}
env:
{{- $own := true }}
{{- range $values.extraEnv }}
{{- if eq .name "POD_NAME" }}
{{- $own = false }}
{{- end }}
{{- end }}
{{- if $own }}
# On the network of the node the host is called like the node, and the policy on Leases asks for the pod.
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- end }}
{{- range $values.extraEnv }}
- {{ toJson . }}
{{- end }}
livenessProbe:
  httpGet: {path: /livez, port: health}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- with $values.resources }}
resources: {{ toJson . }}
{{- end }}
{{- end }}

{{/* Mounts and volumes from values. */}}
{{- define "servicetokens.extraMounts" -}}
{{- range (index .root.Values .component).extraVolumeMounts }}
- {{ toJson . }}
{{- end }}
{{- end }}

{{- define "servicetokens.extraVolumes" -}}
{{- range (index .root.Values .component).extraVolumes }}
- {{ toJson . }}
{{- end }}
{{- end }}

{{- define "servicetokens.apiToken.mount" -}}
- {name: api-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}

{{- define "servicetokens.apiToken.volume" -}}
- name: api-token
  projected:
    sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3600}
    - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
    - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}

{{/* Arguments of both processes. */}}
{{- define "servicetokens.args" -}}
- --namespace={{ .Release.Namespace }}
- --token-prefix={{ .Values.tokenPrefix }}
- --log-level={{ .Values.logs.level }}
- --log-format={{ .Values.logs.format }}
{{- if ne .Values.listenAddress "0.0.0.0" }}
- --health-address={{ .Values.listenAddress }}:9090
{{- end }}
{{- range .Values.watchNamespaces }}
- --watch-namespace={{ . }}
{{- end }}
{{- end }}

{{/* The validator's ports: one for each listener that is on, as a list of name, port, flag. */}}
{{- define "servicetokens.listeners" -}}
{{- range list (list "tokenReview" "https-review" 8443 "token-review") (list "forwardAuth" "http" 8080 "forward-auth") (list "extAuthz" "http-ext-authz" 8081 "ext-authz") (list "extAuthzGrpc" "grpc-ext-authz" 8082 "ext-authz-grpc") (list "introspection" "https" 8444 "introspection") }}
- {value: {{ index . 0 }}, name: {{ index . 1 }}, port: {{ index . 2 }}, flag: {{ index . 3 }}, isOn: {{ index $.Values.validator.listeners (index . 0) }}}
{{- end }}
{{- end }}

{{- define "servicetokens.tlsSecret" -}}
{{- if eq .Values.tls.source "secret" }}{{ .Values.tls.secretName }}{{ else }}servicetokens-validator-tls{{ end }}
{{- end }}

{{/* YAML of an object whose strings stay strings: `12e4567` as a name is a number for some readers. JSON is YAML, too. */}}
{{- define "servicetokens.yaml" -}}
{{- range $name, $value := . }}
{{ $name }}: {{ toJson $value }}
{{- end }}
{{- end }}

{{/* Fill every text inside `value` as a template, and put the result in its place: text stays text. Arguments: value, root. */}}
{{- define "servicetokens.filled" -}}
{{- $box := . }}
{{- if kindIs "string" .value }}
{{- $_ := set $box "value" (tpl .value .root) }}
{{- else if kindIs "map" .value }}
{{- $made := dict }}
{{- range $name, $value := .value }}
{{- $inner := dict "value" $value "root" $box.root }}
{{- include "servicetokens.filled" $inner }}
{{- $_ := set $made (tpl $name $box.root) $inner.value }}
{{- end }}
{{- $_ := set $box "value" $made }}
{{- else if kindIs "slice" .value }}
{{- $made := list }}
{{- range .value }}
{{- $inner := dict "value" . "root" $box.root }}
{{- include "servicetokens.filled" $inner }}
{{- $made = append $made $inner.value }}
{{- end }}
{{- $_ := set $box "value" $made }}
{{- end }}
{{- end }}
