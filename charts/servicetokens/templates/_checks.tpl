{{/*
What the schema cannot say, or would say by a regular expression. Each check fails with a sentence that begins with the path
of the value; what passes here is accepted by the processes (tests/chart/test_limits.py) and by the API server.
Arguments of all of them: what (the path), value.
*/}}

{{/* Text that fits a regular expression; says is the end of a sentence. */}}
{{- define "servicetokens.check.text" -}}
{{- if not (regexMatch (printf "^(%s)$" .pattern) .value) }}
{{- fail (printf "%s: '%s' %s" .what .value .says) }}
{{- end }}
{{- end }}

{{/* A duration from least to most, both in seconds; 0 as most is no limit, 0 as least allows `0s`. */}}
{{- define "servicetokens.check.duration" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 }}
{{- $says := "must be one whole number and one unit out of s, m and h, as in 15s" }}
{{- include "servicetokens.check.text" (dict "what" .what "value" .value "pattern" (ternary "[1-9][0-9]{0,4}[smh]|0s" "[1-9][0-9]{0,4}[smh]" (eq .least 0)) "says" $says) }}
{{- $seconds := mul (regexFind "^[0-9]+" .value | int) (get $units (regexFind "[smh]$" .value)) }}
{{- if or (lt $seconds (int64 .least)) (and .most (gt $seconds (int64 .most))) }}
{{- fail (printf "%s: '%s' must be from %ds to %ds" .what .value .least .most) }}
{{- end }}
{{- end }}

{{/* The 32 or 128 bits of an IP address as text, or nothing when it is none. Argument: the address. */}}
{{- define "servicetokens.bits" -}}
{{- $bits := "" }}
{{- if regexMatch "^(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}$" . }}
{{- range splitList "." . }}
{{- $bits = ternary (printf "%s%08b" $bits (int .)) (print $bits "-") (le (int .) 255) }}
{{- end }}
{{- else if regexMatch "^[0-9a-fA-F:]*:[0-9a-fA-F:]*$" . }}
{{- $halves := splitList "::" . }}
{{- $count := 0 }}
{{- range $halves }}
{{- if . }}
{{- $count = add $count (len (splitList ":" .)) }}
{{- end }}
{{- end }}
{{- $isShort := eq (len $halves) 2 }}
{{- if or (gt (len $halves) 2) (and $isShort (gt (int $count) 7)) (and (not $isShort) (ne (int $count) 8)) }}
{{- $bits = "-" }}
{{- end }}
{{- range $number, $half := $halves }}
{{- if $number }}
{{- $bits = print $bits (repeat (mul 16 (sub 8 $count) | int) "0") }}
{{- end }}
{{- if $half }}
{{- range splitList ":" $half }}
{{- if regexMatch "^[0-9a-fA-F]{1,4}$" . }}
{{- range (printf "%04s" (lower .) | replace " " "0" | splitList "") }}
{{- $bits = print $bits (get (dict "0" "0000" "1" "0001" "2" "0010" "3" "0011" "4" "0100" "5" "0101" "6" "0110" "7" "0111" "8" "1000" "9" "1001" "a" "1010" "b" "1011" "c" "1100" "d" "1101" "e" "1110" "f" "1111") .) }}
{{- end }}
{{- else }}
{{- $bits = print $bits "-" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (contains "-" $bits) }}{{ $bits }}{{ end }}
{{- end }}

{{/* The address that bits stand for: an IPv6 one with all its groups. */}}
{{- define "servicetokens.address" -}}
{{- $isSix := eq (len .) 128 }}
{{- $size := ternary 16 8 $isSix }}
{{- $parts := list }}
{{- $part := 0 }}
{{- range $place, $bit := splitList "" . }}
{{- $part = add (mul 2 $part) (int $bit) }}
{{- if eq (mod (add1 $place) $size) 0 }}
{{- $parts = append $parts (printf (ternary "%x" "%d" $isSix) $part) }}
{{- $part = 0 }}
{{- end }}
{{- end }}
{{- join (ternary ":" "." $isSix) $parts }}
{{- end }}

{{/* A network without bits behind its prefix; alone: an address without a prefix is one, too. */}}
{{- define "servicetokens.check.network" -}}
{{- $parts := splitList "/" .value }}
{{- $bits := include "servicetokens.bits" (first $parts) }}
{{- if or (not $bits) (gt (len $parts) 2) (and (eq (len $parts) 1) (not .alone)) }}
{{- fail (printf "%s: '%s' is no network, as in 10.0.0.0/8 or fd00::/8" .what .value) }}
{{- end }}
{{- if eq (len $parts) 2 }}
{{- $prefix := last $parts }}
{{- if or (not (regexMatch "^(0|[1-9][0-9]{0,2})$" $prefix)) (gt (int $prefix) (len $bits)) }}
{{- fail (printf "%s: '%s' is no network: its prefix must have from 0 to %d bits" .what .value (len $bits)) }}
{{- end }}
{{- $kept := substr 0 (int $prefix) $bits }}
{{- if contains "1" (trimPrefix $kept $bits) }}
{{- $network := include "servicetokens.address" (print $kept (repeat (sub (len $bits) (int $prefix) | int) "0")) }}
{{- fail (printf "%s: '%s' has bits set behind its prefix; its network is %s/%s" .what .value $network $prefix) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A DNS name, perhaps with a wildcard in front, or an IP address. */}}
{{- define "servicetokens.check.host" -}}
{{- $isName := and (regexMatch "^([*][.])?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$" .value) (not (regexMatch "(^|[.])[0-9]+$" .value)) (le (len .value) 253) }}
{{- if not (or $isName (include "servicetokens.bits" .value)) }}
{{- fail (printf "%s: '%s' is neither a DNS name in lower-case letters nor an IP address; leave out scheme, port and path" .what .value) }}
{{- end }}
{{- end }}

{{/* Labels: keys and values. */}}
{{- define "servicetokens.check.labels" -}}
{{- $what := .what }}
{{- range $name, $value := .value }}
{{- include "servicetokens.check.key" (dict "what" $what "value" $name) }}
{{- if not (regexMatch "^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$" (toString $value)) }}
{{- fail (printf "%s.%s: '%s' must be at most 63 letters, digits, '-', '_' and '.', with a letter or a digit at both ends" $what $name $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The key of a label or an annotation. */}}
{{- define "servicetokens.check.key" -}}
{{- if not (regexMatch "^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$" .value) }}
{{- fail (printf "%s: the key '%s' must be letters, digits, '-', '_' and '.', at most 63, perhaps behind a domain and '/'" .what .value) }}
{{- end }}
{{- end }}

{{/* Users and groups of a security context: numbers that fit into 31 bits. */}}
{{- define "servicetokens.check.identities" -}}
{{- $what := .what }}
{{- range $name, $value := .value }}
{{- range ternary (list $value) (ternary $value list (eq $name "supplementalGroups")) (has $name (list "runAsUser" "runAsGroup" "fsGroup")) }}
{{- if not (or (kindIs "invalid" .) (and (regexMatch "^[0-9]+$" (toString (int64 .))) (not (kindIs "string" .)) (eq (float64 .) (float64 (int64 .))) (le (int64 .) 2147483647))) }}
{{- fail (printf "%s.%s: %v must be a number from 0 to 2147483647" $what $name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The number that a quantity such as 128Mi stands for. */}}
{{- define "servicetokens.quantity" -}}
{{- $units := dict "" 1.0 "n" 0.000000001 "u" 0.000001 "m" 0.001 "k" 1000.0 "M" 1000000.0 "G" 1000000000.0 "T" 1000000000000.0 "P" 1000000000000000.0 "E" 1000000000000000000.0 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
{{- $unit := regexFind "[a-zA-Z]+$" . }}
{{- mulf (float64 (trimSuffix $unit .)) (get $units $unit) }}
{{- end }}

{{/* Requests and limits. */}}
{{- define "servicetokens.check.resources" -}}
{{- $what := .what }}
{{- $resources := .value | default dict }}
{{- range $key, $_ := $resources }}
{{- if not (has $key (list "requests" "limits" "claims")) }}
{{- fail (printf "%s: there are no '%s', only requests, limits and claims" $what $key) }}
{{- end }}
{{- end }}
{{- range $kind := list "requests" "limits" }}
{{- range $name, $value := get $resources $kind | default dict }}
{{- if not (kindIs "invalid" $value) }}
{{- include "servicetokens.check.text" (dict "what" (printf "%s.%s.%s" $what $kind $name) "value" (toString $value) "pattern" "([0-9]+([.][0-9]*)?|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?" "says" "must be a quantity, as in 50m, 0.5 or 128Mi") }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := $resources.requests | default dict }}
{{- $limit := get ($resources.limits | default dict) $name }}
{{- if and (not (kindIs "invalid" $value)) $limit }}
{{- if gt (include "servicetokens.quantity" (toString $value) | float64) (include "servicetokens.quantity" (toString $limit) | float64) }}
{{- fail (printf "%s.requests.%s: %v is more than the limit %v: raise %s.limits.%s, or set it to null" $what $name $value $limit $what $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Additional arguments. Argument: component. */}}
{{- define "servicetokens.check.arguments" -}}
{{- $flags := dict "operator" "--certificate-name --health-address --issue-certificate --kubeconfig --leader-election --lease-duration --log-format --log-level --namespace --no-issue-certificate --no-leader-election --no-watch-secrets --token-prefix --watch-namespace --watch-secrets" "validator" "--allow-without-roles --client-ca-file --client-name --ext-authz-address --ext-authz-grpc-address --forward-auth-address --health-address --introspection-address --introspection-max-age --kubeconfig --log-format --log-level --max-staleness --namespace --peer-share --tls-cert-file --tls-key-file --token-prefix --token-review-address --trusted-proxy --watch-namespace" }}
{{- $known := get $flags .component | splitList " " }}
{{- $component := .component }}
{{- range .value }}
{{- include "servicetokens.check.text" (dict "what" (print $component ".extraArgs") "value" . "pattern" "--[^ =]+(=.*)?" "says" "must be one flag, with its value behind '=', as in --log-level=debug") }}
{{- $flag := regexFind "^--[^=]+" . }}
{{- if not (has $flag $known) }}
{{- fail (printf "%s.extraArgs: 'servicetokens %s' has no flag %s; it has %s" $component $component $flag (join ", " $known)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Peers of a network policy. */}}
{{- define "servicetokens.check.peers" -}}
{{- $what := .what }}
{{- range .value }}
{{- range $key, $_ := . }}
{{- if not (has $key (list "podSelector" "namespaceSelector" "ipBlock")) }}
{{- fail (printf "%s: '%s' is not part of a peer; those are podSelector, namespaceSelector and ipBlock" $what $key) }}
{{- end }}
{{- end }}
{{- with .ipBlock }}
{{- range concat (list .cidr) (.except | default list) }}
{{- include "servicetokens.check.network" (dict "what" $what "value" (toString .) "alone" false) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Environment variables. */}}
{{- define "servicetokens.check.environment" -}}
{{- $what := .what }}
{{- $seen := list }}
{{- range .value }}
{{- if has .name $seen }}
{{- fail (printf "%s: there are two variables '%s'" $what .name) }}
{{- end }}
{{- $seen = append $seen .name }}
{{- include "servicetokens.check.text" (dict "what" (print $what ": the name") "value" .name "pattern" "[A-Za-z_.-][A-Za-z0-9_.-]*" "says" "must be letters, digits, '_', '-' and '.', and must not begin with a digit") }}
{{- if not (or (kindIs "invalid" .value) (kindIs "string" .value)) }}
{{- fail (printf "%s: the value of %s must be text: put %v in quotes" $what .name .value) }}
{{- end }}
{{- if and .value .valueFrom }}
{{- fail (printf "%s: %s has both value and valueFrom" $what .name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Tolerations: words that the API server would reject. */}}
{{- define "servicetokens.check.tolerations" -}}
{{- $what := .what }}
{{- range .value }}
{{- if not (has (.operator | default "Equal") (list "Equal" "Exists" "Lt" "Gt")) }}
{{- fail (printf "%s: the operator '%v' must be Equal or Exists" $what .operator) }}
{{- end }}
{{- if not (has (.effect | default "NoSchedule") (list "NoSchedule" "PreferNoSchedule" "NoExecute")) }}
{{- fail (printf "%s: the effect '%v' must be NoSchedule, PreferNoSchedule or NoExecute" $what .effect) }}
{{- end }}
{{- if and (eq (.operator | default "Equal") "Exists") .value }}
{{- fail (printf "%s: with the operator Exists there is no value: remove '%v', or use Equal" $what .value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Volumes and mounts of a component. Arguments: what, value (its values), own (names of the chart's own volumes). */}}
{{- define "servicetokens.check.volumes" -}}
{{- $what := .what }}
{{- $known := .own }}
{{- range .value.extraVolumes }}
{{- if not .name }}
{{- fail (printf "%s.extraVolumes: a volume has no name" $what) }}
{{- end }}
{{- $name := toString .name }}
{{- include "servicetokens.check.text" (dict "what" (print $what ".extraVolumes: the name") "value" $name "pattern" "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?" "says" "must be at most 63 lower-case letters, digits and '-'") }}
{{- if has $name $known }}
{{- fail (printf "%s.extraVolumes: there are two volumes '%s'; those of the chart itself are called %s" $what $name (join ", " $.own)) }}
{{- end }}
{{- $known = append $known $name }}
{{- end }}
{{- $paths := list "/var/run/secrets/kubernetes.io/serviceaccount" "/tls" "/client-ca" }}
{{- range .value.extraVolumeMounts }}
{{- if not (has (toString .name) $known) }}
{{- fail (printf "%s.extraVolumeMounts: there is no volume '%v': declare it in %s.extraVolumes" $what .name $what) }}
{{- end }}
{{- if not .mountPath }}
{{- fail (printf "%s.extraVolumeMounts: '%v' has no mountPath" $what .name) }}
{{- end }}
{{- if has .mountPath $paths }}
{{- fail (printf "%s.extraVolumeMounts: something else is mounted at %s" $what .mountPath) }}
{{- end }}
{{- $paths = append $paths .mountPath }}
{{- end }}
{{- end }}

{{/* The validator's Service. Arguments: what, value, listeners. */}}
{{- define "servicetokens.check.service" -}}
{{- $service := .value }}
{{- $isOpen := ne $service.type "ClusterIP" }}
{{- $on := list }}
{{- $all := list }}
{{- range .listeners }}
{{- $all = append $all .value }}
{{- if .isOn }}
{{- $on = append $on .value }}
{{- end }}
{{- end }}
{{- if and $service.nodePorts (not $isOpen) }}
{{- fail (printf "%s.nodePorts: needs type NodePort or LoadBalancer; type is ClusterIP" .what) }}
{{- end }}
{{- $seen := list }}
{{- range $name, $port := $service.nodePorts }}
{{- if not (has $name $all) }}
{{- fail (printf "%s.nodePorts: there is no listener '%s'; those are %s" $.what $name (join ", " $all)) }}
{{- end }}
{{- if not (has $name $on) }}
{{- fail (printf "%s.nodePorts.%s: that listener is off: switch validator.listeners.%s on, or remove the port" $.what $name $name) }}
{{- end }}
{{- if has (int $port) $seen }}
{{- fail (printf "%s.nodePorts: two listeners have port %d" $.what (int $port)) }}
{{- end }}
{{- $seen = append $seen (int $port) }}
{{- end }}
{{- if and $service.externalTrafficPolicy (not $isOpen) }}
{{- fail (printf "%s.externalTrafficPolicy: needs type NodePort or LoadBalancer; type is ClusterIP" .what) }}
{{- end }}
{{- if and $service.loadBalancerClass (ne $service.type "LoadBalancer") }}
{{- fail (printf "%s.loadBalancerClass: needs type LoadBalancer; type is %s" .what $service.type) }}
{{- end }}
{{- with $service.loadBalancerClass }}
{{- include "servicetokens.check.key" (dict "what" (print $.what ".loadBalancerClass") "value" .) }}
{{- end }}
{{- with $service.clusterIP }}
{{- if and (eq . "None") $isOpen }}
{{- fail (printf "%s.clusterIP: None needs type ClusterIP; type is %s" $.what $service.type) }}
{{- end }}
{{- if not (or (eq . "None") (include "servicetokens.bits" .)) }}
{{- fail (printf "%s.clusterIP: '%s' must be an IP address, or None" $.what .) }}
{{- end }}
{{- end }}
{{- if and (eq (len $service.ipFamilies) 2) (not (has $service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack"))) }}
{{- fail (printf "%s.ipFamilies: two families need ipFamilyPolicy PreferDualStack or RequireDualStack" .what) }}
{{- end }}
{{- end }}

{{/* That one pod at least stays where a node is drained. Arguments: what (component), value, replicas. */}}
{{- define "servicetokens.check.disruption" -}}
{{- $number := regexFind "^[0-9]+" .value | int }}
{{- if hasSuffix "%" .value }}
{{- /* As the API server does, rounded up. */}}
{{- $number = div (add (mul $number .replicas) 99) 100 | int }}
{{- end }}
{{- if and (gt .replicas 1) (ge $number .replicas) }}
{{- fail (printf "%s.maxUnavailable: '%s' of %d replicas is all of them, so a drain could evict every pod at the same time: allow fewer" .what .value .replicas) }}
{{- end }}
{{- end }}

{{/* That pods listen on the addresses to which the Service sends clients. Arguments: service, listenAddress. */}}
{{- define "servicetokens.check.families" -}}
{{- $isSix := or (has "IPv6" .service.ipFamilies) (has .service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack")) }}
{{- if and $isSix (not (hasPrefix "[" .listenAddress)) }}
{{- fail (printf "validator.service: clients would be sent to IPv6 addresses, and listenAddress '%s' is IPv4 only: set listenAddress to \"[::]\", which is both" .listenAddress) }}
{{- end }}
{{- $isFour := or (has "IPv4" .service.ipFamilies) (has .service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack")) }}
{{- if and $isFour (hasPrefix "[" .listenAddress) (contains "1" (include "servicetokens.bits" (trimAll "[]" .listenAddress))) }}
{{- fail (printf "validator.service: clients would be sent to IPv4 addresses, and listenAddress '%s' is IPv6 only: set listenAddress to \"[::]\", which is both" .listenAddress) }}
{{- end }}
{{- end }}

{{/* That each value of the network policies has an effect. Argument: all values. */}}
{{- define "servicetokens.check.policies" -}}
{{- $policy := .networkPolicy }}
{{- $default := dict "apiServerPorts" (list 443 6443) "dnsPorts" (list 53) }}
{{- range $name := list "proxies" "metrics" "apiServer" "apiServerPorts" "dnsPorts" "extraIngress" "extraEgress" }}
{{- if and (not $policy.enabled) (ne (index $policy $name | toJson) (index $default $name | default list | toJson)) }}
{{- fail (printf "networkPolicy.%s: has no effect while networkPolicy.enabled is false: set it to true, or remove networkPolicy.%s" $name $name) }}
{{- end }}
{{- end }}
{{- if and $policy.enabled .operator.hostNetwork .validator.hostNetwork }}
{{- fail "networkPolicy.enabled: has no effect, since operator.hostNetwork and validator.hostNetwork put all pods into the network of their nodes, where no policy holds: use a firewall, or switch one of them off" }}
{{- end }}
{{- end }}
