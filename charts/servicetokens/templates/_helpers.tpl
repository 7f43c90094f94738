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
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "servicetokens.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: servicetokens
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: servicetokens
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
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
{{- $user := printf "system:serviceaccount:%s:" $root.Release.Namespace -}}
{{- $home := printf "request.namespace == '%s'" $root.Release.Namespace -}}
{{- $text := $root.Files.Get (printf "files/config/%s" .file) | replace "system:serviceaccount:servicetokens:" $user | replace "request.namespace == 'servicetokens'" $home -}}
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
{{- $_ := set . "expression" (printf "request.?namespace.orValue('') in %s" (toJson $root.Values.watchNamespaces)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $object.kind "ValidatingAdmissionPolicyBinding" }}
{{- $_ := set $object.spec "policyName" (include "servicetokens.clusterName" (dict "root" $root "name" $object.spec.policyName)) }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the pods of both have in common, but for the container. */}}
{{- define "servicetokens.pod" -}}
{{- $values := index .root.Values .component -}}
serviceAccountName: servicetokens-{{ .component }}
# The token is mounted below, by name: whatever is injected into the pod does not get it.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range $values.topologySpreadConstraints }}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "servicetokens.selector" (dict "root" $.root "component" $.component) | fromYaml)) }}
- {{- toYaml (merge dict . $selector) | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* What both containers have in common. */}}
{{- define "servicetokens.container" -}}
{{- $values := index .root.Values .component -}}
image: {{ include "servicetokens.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- with $values.extraEnv }}
env: {{- toYaml . | nindent 2 }}
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
resources: {{- toYaml $values.resources | nindent 2 }}
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
