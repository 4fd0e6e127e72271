{{- define "starwhale.labels" -}}
app.kubernetes.io/name: starwhale-evaluation
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "starwhale.selector" -}}
app.kubernetes.io/name: starwhale-evaluation
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
