#!/usr/bin/env bash
# Checks the simulated provider over HTTP; prints TAP.
# Usage: test/upstream/selftest.sh; UPSTREAM_RUNNER="valgrind ..." wraps it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
make -s -C "$here" || exit 1
work=$(mktemp -d)
count=0
failed=0
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT

ok()
{
	count=$((count + 1))
	if [ "$1" = 0 ]
	then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failed=$((failed + 1))
	fi
}

is()
{
	[ "$2" = "$3" ]
	local result=$?
	ok $result "$1"
	[ $result = 0 ] || printf '# got:    %s\n# wanted: %s\n' "$2" "$3"
}

like()
{
	grep -qE -- "$3" <<< "$2"
	local result=$?
	ok $result "$1"
	[ $result = 0 ] || printf '# got:    %.600s\n# wanted: %s\n' "$2" "$3"
}

unlike()
{
	! grep -qE -- "$3" <<< "$2"
	ok $? "$1"
}

# Calls a command until it succeeds, for at most ten seconds.
await()
{
	for _ in $(seq 500)
	do
		"$@" > /dev/null 2>&1 && return 0
		sleep 0.02
	done
	return 1
}

# Starts a server of its own; sets port, base and pid.
start()
{
	rm -f "$work/port"
	${UPSTREAM_RUNNER:-} "$here/upstream" --port 0 --portfile "$work/port" \
		--pidfile "$work/pid" "$@" > "$work/log" 2> "$work/errors" &
	pid=$!
	await test -s "$work/port" || { echo "Bail out! no server"; exit 1; }
	port=$(cat "$work/port")
	base=http://127.0.0.1:$port
}

# Ends it; gives its exit status.
stop()
{
	kill "$pid"
	wait "$pid"
	local status=$?
	pid=
	return $status
}

get() { curl -sS -m 10 "$@" 2>&1; }
put() { get "$base/admin/models" -d "$1" > /dev/null; }
chat_body() { printf '{"model":"%s","messages":[{"role":"user","content":"%s"}]}' "$1" "$2"; }
chat() { local m=$1 p=$2; shift 2; get "$base/v1/chat/completions" -d "$(chat_body "$m" "$p")" "$@"; }
sse() { local m=$1; shift; get "$base/v1/chat/completions" -d "{\"model\":\"$m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[{\"role\":\"user\",\"content\":\"hello there, this is a prompt\"}]}" "$@"; }
claude_body() { printf '{"model":"%s","max_tokens":50%s,"messages":[{"role":"user","content":"hi"}]}' "$1" "${2:-}"; }
claude() { local m=$1 x=$2; shift 2; get "$base/v1/messages" -H 'anthropic-version: 2023-06-01' -d "$(claude_body "$m" "$x")" "$@"; }
# The exit status of curl, of which every fault has its own.
code() { "$@" > "$work/out" 2>&1; echo $?; }
content() { sed -n 's/.*"content":"\([^"]*\)".*/\1/p'; }

test_openai()
{
	local out
	put '[{"name":"m1"},{"name":"keyed","api_key":"sk-right"},
		{"name":"priced","input_price":1000,"output_price":2000,"report_cost":true,"usage":{"prompt_tokens_details":{"cached_tokens":7}}},
		{"name":"silent","usage":false},{"name":"json","reply_json":{"a":[1,"x"]}},
		{"name":"tpl","reply":"{model}|{prompt}|{n}|{hash}|{other}"},
		{"name":"long","reply_bytes":10000000}]'
	out=$(chat m1 'hello' -i)
	like 'chat: status' "$out" '^HTTP/1.1 200 OK'
	like 'chat: request id header' "$out" '^x-request-id: req_[0-9a-f]{16}'
	like 'chat: processing time header' "$out" '^openai-processing-ms: 0'
	like 'chat: rate-limit headers' "$out" '^x-ratelimit-remaining-tokens: [0-9]+'
	like 'chat: content' "$out" '"content":"model m1 says: hello"'
	like 'chat: usage' "$out" '"prompt_tokens":2,"completion_tokens":5,"total_tokens":7'
	like 'chat: finish reason' "$out" '"finish_reason":"stop"'
	out=$(get "$base/v1/chat/completions" -d '{"model":"m1","max_completion_tokens":2,"messages":[{"role":"system","content":"abcd"},{"role":"user","content":[{"type":"text","text":"hello"}]}]}')
	like 'chat: limit cuts the content' "$out" '"content":"model m1".*"finish_reason":"length".*"prompt_tokens":3,"completion_tokens":2'
	like 'chat: no /v1 needed' "$(get "$base/chat/completions" -d "$(chat_body m1 x)")" 'says: x'
	like 'chat: bad JSON is 400' "$(get -i "$base/v1/chat/completions" -d '{')" '400 Bad Request'
	like 'chat: no messages is 400' "$(get "$base/v1/chat/completions" -d '{"model":"m1"}')" '"param":"messages"'
	out=$(chat nosuch x -i)
	like 'chat: unknown model is 404' "$out" '^HTTP/1.1 404'
	like 'chat: unknown model, code' "$out" '"code":"model_not_found"'
	like 'chat: no key is 401' "$(chat keyed x)" '"code":"invalid_api_key"'
	like 'chat: wrong key is 401' "$(chat keyed x -H 'Authorization: Bearer sk-wrong')" 'invalid_api_key'
	like 'chat: right key' "$(chat keyed x -H 'Authorization: Bearer sk-right')" 'says: x'
	like 'chat: cost and usage override' "$(chat priced 'four')" '"cached_tokens":7.*"cost":0.0[0-9]+'
	unlike 'chat: usage false' "$(chat silent x)" '"usage"'
	like 'chat: reply_json' "$(chat json x)" '"content":"\{\\"a\\":\[1,\\"x\\"\]\}"'
	like 'chat: template' "$(chat tpl 'a b')" '"content":"tpl\|a b\|1\|[0-9a-f]{16}\|\{other\}"'
	like 'chat: echo ends at a character' "$(chat m1 "$(printf 'x'; printf 'é%.0s' $(seq 60))")" 'says: x(é){39}"'
	is 'chat: 10 MB reply' "$(chat long x -o "$work/long" -w '%{http_code}'; content < "$work/long" | tr -d '\n' | wc -c)" 20010000000
	like 'models: OpenAI form' "$(get "$base/v1/models")" '^\{"object":"list","data":\[\{"id":"[a-z0-9]+","object":"model"'
	like 'unknown path is 404' "$(get -i "$base/v1/nothing")" '^HTTP/1.1 404'
	like 'wrong method is 405' "$(get -i "$base/v1/chat/completions")" '^HTTP/1.1 405'
}

test_stream()
{
	local out
	out=$(sse m1 -i)
	like 'stream: content type' "$out" '^Content-Type: text/event-stream'
	like 'stream: opens with the role' "$out" '"delta":\{"role":"assistant","content":""\}'
	is 'stream: pieces make the content' "$(sed -n 's/.*"delta":{"content":"\([^"]*\)".*/\1/p' <<< "$out" | tr -d '\n')" 'model m1 says: hello there, this is a prompt'
	like 'stream: finish reason' "$out" '"delta":\{\},"logprobs":null,"finish_reason":"stop"'
	like 'stream: usage comes with no choices' "$out" '"choices":\[\],"usage":\{"prompt_tokens":8'
	is 'stream: ends with [DONE]' "$(tail -n 1 <<< "$out")" 'data: [DONE]'
	unlike 'stream: no usage unless asked' "$(get "$base/v1/chat/completions" -d '{"model":"m1","stream":true,"messages":[{"role":"user","content":"x"}]}')" 'usage'
	is 'stream: 10 MB' "$(sse long | sed -n 's/.*"delta":{"content":"\([^"]*\)".*/\1/p' | tr -d '\n' | wc -c)" 10000000
	put '{"name":"paced","ttft_ms":50,"tokens_per_second":200,"reply_bytes":160}'
	out=$(sse paced -o /dev/null -w '%{time_total}')
	like 'stream: pace' "$out" '^0\.(2[3-9]|3|4)'
}

test_anthropic()
{
	local out
	out=$(claude m1 '' -i)
	like 'messages: request id header' "$out" '^request-id: req_'
	like 'messages: rate-limit headers' "$out" '^anthropic-ratelimit-input-tokens-reset: [0-9-]+T'
	like 'messages: content' "$out" '"content":\[\{"type":"text","text":"model m1 says: hi"\}\],"stop_reason":"end_turn"'
	like 'messages: usage' "$out" '"input_tokens":1,.*"output_tokens":5'
	like 'messages: max_tokens is needed' "$(get -i "$base/v1/messages" -H 'anthropic-version: 2023-06-01' -d "$(chat_body m1 x)")" '400 Bad Request'
	like 'messages: version is needed' "$(get "$base/v1/messages" -d "$(claude_body m1)")" 'anthropic-version'
	like 'messages: system is no role' "$(get "$base/v1/messages" -H 'anthropic-version: 2023-06-01' -d '{"model":"m1","max_tokens":5,"messages":[{"role":"system","content":"x"}]}')" 'unknown role'
	like 'messages: limit' "$(get "$base/v1/messages" -H 'anthropic-version: 2023-06-01' -d '{"model":"m1","max_tokens":2,"messages":[{"role":"user","content":"x"}]}')" '"text":"model m1".*"stop_reason":"max_tokens"'
	like 'messages: unknown model is 404' "$(claude nosuch '')" '"type":"not_found_error"'
	like 'messages: no key is 401' "$(claude keyed '')" '^\{"type":"error","error":\{"type":"authentication_error"'
	like 'messages: right key' "$(claude keyed '' -H 'x-api-key: sk-right')" 'says: hi'
	out=$(claude m1 ',"stream":true')
	is 'messages stream: events in order' "$(sed -n 's/^event: //p' <<< "$out" | uniq | tr '\n' ' ')" 'message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop '
	is 'messages stream: content' "$(sed -n 's/.*"text_delta","text":"\([^"]*\)".*/\1/p' <<< "$out" | tr -d '\n')" 'model m1 says: hi'
	like 'messages stream: usage' "$out" '"type":"message_delta".*"output_tokens":5'
	like 'models: Anthropic form' "$(get "$base/v1/models" -H 'anthropic-version: 2023-06-01')" '^\{"data":\[\{"type":"model".*"has_more":false'
}

test_embeddings()
{
	local one two
	one=$(get "$base/v1/embeddings" -d '{"model":"m1","input":["a","b"],"dimensions":3}')
	like 'embeddings: list' "$one" '^\{"object":"list","data":\[\{"object":"embedding","index":0,"embedding":\[[-0-9.e]+,[-0-9.e]+,[-0-9.e]+\]\},\{"object":"embedding","index":1'
	like 'embeddings: usage' "$one" '"usage":\{"prompt_tokens":1,"total_tokens":1\}'
	two=$(get "$base/v1/embeddings" -d '{"model":"m1","input":["a","b"],"dimensions":3}')
	is 'embeddings: deterministic' "$one" "$two"
	is 'embeddings: unit length' "$(get "$base/v1/embeddings" -d '{"model":"m1","input":"some words","dimensions":100}' | sed 's/.*"embedding":\[\([^]]*\)\].*/\1/' | tr , '\n' | awk '{ s += $1 * $1 } END { printf "%d %.4f", NR, s }')" '100 1.0000'
	one=$(get "$base/v1/embeddings" -d '{"model":"m1","input":"x","dimensions":2,"encoding_format":"base64"}' | sed 's/.*"embedding":"\([^"]*\)".*/\1/' | base64 -d | od -An -f | awk '{ printf "%d %.3f", NF, $1 * $1 + $2 * $2 }')
	is 'embeddings: base64' "$one" '2 1.000'
	like 'embeddings: empty input is 400' "$(get -i "$base/v1/embeddings" -d '{"model":"m1","input":[]}')" '400 Bad Request'
}

test_prefixes()
{
	put '[{"name":"shared","reply":"any"},{"name":"east:shared","reply":"east"},{"name":"west:*","reply":"west"}]'
	like 'prefix: own model' "$(get "$base/p/east/v1/chat/completions" -d "$(chat_body shared x)")" '"content":"east"'
	like 'prefix: shared model' "$(get "$base/p/north/v1/chat/completions" -d "$(chat_body shared x)")" '"content":"any"'
	like 'prefix: default of a prefix' "$(get "$base/p/west/v1/chat/completions" -d "$(chat_body other x)")" '"content":"west"'
	like 'prefix: nothing elsewhere' "$(get "$base/p/east/v1/chat/completions" -d "$(chat_body other x)")" 'model_not_found'
	is 'prefix: its list of models' "$(get "$base/p/east/v1/models" | grep -o '"id":"shared"' | wc -l)" 1
}

# name, fault, call, exit status of curl, pattern in what it printed
fault()
{
	put "{\"name\":\"faulty\",\"faults\":[$2]}"
	is "fault $1: curl's status" "$(code $3)" "$4"
	like "fault $1: what came" "$(tr -d '\000' < "$work/out")" "$5"
}

test_faults()
{
	local chat='chat faulty hello -i' stream='sse faulty -i'
	fault status '{"kind":"status","status":503}' "$chat" 0 '"type":"service_unavailable_error"'
	fault 'status with delay' '{"kind":"status","status":429,"retry_after":7,"message":"slow down"}' "$chat" 0 '^retry-after: 7'
	fault 'status with date' '{"kind":"status","status":503,"retry_after_date_in":5}' "$chat" 0 '^retry-after: [A-Z][a-z]{2}, .* GMT'
	fault quota '{"kind":"status","quota":true}' "$chat" 0 '"code":"insufficient_quota"'
	fault 'quota, Anthropic' '{"kind":"status","quota":true}' 'claude faulty ,"stream":true' 0 '"error_code":"enforced_spend_limit_reached"'
	fault 'overload, Anthropic' '{"kind":"status","status":529}' 'claude faulty ,"stream":false' 0 '"type":"overloaded_error"'
	fault 'numeric code' '{"kind":"status","status":402,"code":402}' "$chat" 0 '"code":402'
	fault refuse '{"kind":"refuse"}' "$chat" 56 'reset'
	fault close '{"kind":"close"}' "$chat" 52 'Empty reply'
	fault hang '{"kind":"hang"}' "$chat -m 0.3" 28 ' 0 bytes received'
	fault headers_hang '{"kind":"headers_hang"}' "$chat -m 0.3" 28 'Content-Length: [1-9]'
	fault drip '{"kind":"drip","bytes_per_second":100}' "$chat -m 0.5" 28 'with [1-9][0-9]? out of'
	fault slow_headers '{"kind":"slow_headers","bytes_per_second":60}' "$chat -m 0.5" 28 '^HTTP/1.1 200'
	fault cut '{"kind":"cut"}' "$chat" 18 '"object"'
	fault 'cut at bytes' '{"kind":"cut","at":30}' "$chat" 18 '\{"id":"chatcmpl-[0-9a-f]{14}$|\{"id":"chatcmpl-[0-9a-f]{14}curl'
	fault 'cut by reset' '{"kind":"cut","reset":true}' "$chat" 56 '"object"'
	fault 'cut, stream' '{"kind":"cut"}' "$stream" 18 '"delta":\{"content":"model'
	unlike 'fault cut, stream: no end' "$(cat "$work/out")" 'DONE|finish_reason":"stop'
	fault wrong_length '{"kind":"wrong_length","delta":5}' "$chat" 18 'with 5 bytes remaining'
	fault 'wrong_length, short' '{"kind":"wrong_length","delta":-9}' "$chat" 0 '"completion_tokens_details'
	fault garbage '{"kind":"garbage","bytes":200}' "$chat" 0 '^Content-Length: 200'
	fault 'garbage, no HTTP' '{"kind":"garbage","raw":true}' 'chat faulty hello' 1 'HTTP/0.9'
	fault html '{"kind":"html"}' "$chat" 0 '<h1>502 Bad Gateway'
	fault truncated_json '{"kind":"truncated_json"}' "$chat" 0 '"model":"faulty"'
	unlike 'fault truncated_json: no end' "$(cat "$work/out")" '"usage"'
	fault 'truncated_json, stream' '{"kind":"truncated_json"}' "$stream" 0 '\[DONE\]'
	fault deep_json '{"kind":"deep_json"}' "$chat" 0 '^Content-Length: 200000'
	fault huge '{"kind":"huge","bytes":50000000}' "chat faulty hello -o /dev/null -w %{size_download}" 0 '^50000[0-9]{3}$'
	fault invalid_utf8 '{"kind":"invalid_utf8"}' "$chat" 0 '"content"'
	! iconv -f utf-8 -t utf-8 "$work/out" > /dev/null 2>&1
	ok $? 'fault invalid_utf8: not UTF-8'
	fault nul '{"kind":"nul"}' "$chat" 0 '\\u0000'
	fault empty_choices '{"kind":"empty_choices"}' "$chat" 0 '"choices":\[\]'
	fault null_content '{"kind":"null_content"}' "$chat" 0 '"content":null'
	fault 'null_content, Anthropic' '{"kind":"null_content"}' 'claude faulty ,"stream":false' 0 '"content":null'
	fault usage_missing '{"kind":"usage_missing"}' "$chat" 0 '"choices"'
	unlike 'fault usage_missing: no usage' "$(cat "$work/out")" '"usage"'
	fault stream_error '{"kind":"stream_error"}' "$stream" 0 '^data: \{"error":\{"message"'
	fault 'stream_error, Anthropic' '{"kind":"stream_error"}' 'claude faulty ,"stream":true' 0 '^event: error'
	fault redirect '{"kind":"redirect","location":"http://127.0.0.1:1/x"}' "$chat" 0 '^Location: http://127.0.0.1:1/x'
	fault empty_body '{"kind":"empty_body"}' "$chat" 0 '^Content-Length: 0'
	fault close_after '{"kind":"close_after"}' "chat faulty a $base/v1/chat/completions -w \n%{num_connects}\n" 0 '^1'
	is 'fault close_after: a connection for each' "$(grep -c '^1$' "$work/out")" 2
}

test_conditions()
{
	local out
	put '[{"name":"s","faults":[{"kind":"status","script":[0,1,1]}]},{"name":"t","faults":[{"kind":"status","times":2}]},
		{"name":"a","faults":[{"kind":"status","after":1,"times":1}]},{"name":"w","faults":[{"kind":"status","match":"trap"}]}]'
	statuses() { for _ in 1 2 3 4; do chat "$1" x -o /dev/null -w '%{http_code} '; done; }
	is 'fault script' "$(statuses s)" '200 500 500 200 '
	is 'fault times' "$(statuses t)" '500 500 200 200 '
	is 'fault after' "$(statuses a)" '200 500 200 200 '
	is 'fault match' "$(chat w 'a trap' -o /dev/null -w '%{http_code}')$(chat w 'a trip' -o /dev/null -w '%{http_code}')" 500200
	out=$(get "$base/admin/models" -d '{"name":"x","faults":[{"kind":"nonesuch"}]}')
	like 'unknown kind of fault is refused' "$out" 'unknown kind of fault .*nonesuch'
	like 'unknown field is refused' "$(get "$base/admin/models" -d '{"name":"x","latencyms":1}')" 'unknown field .*latencyms'
}

# What 30 requests meet and say, and how long the slow ones are.
draws()
{
	local urls=()
	put '{"name":"d","latency_ms":{"dist":"lognormal","p50":3,"sigma":0.8,"max":20},"skill":{"default":0.5,"code":1},"reply":"{grade}{n}","faults":[{"kind":"status","rate":0.4}]}'
	get "$base/admin/seed" -d "{\"seed\":$1}" > /dev/null
	for _ in $(seq 30); do urls+=("$base/v1/chat/completions"); done
	get -i -w '\n' "${urls[@]}" -d "$(chat_body d "a prompt")" |
		sed -n 's/.*"content":"\([^"]*\)".*/\1/p; /^HTTP\|processing-ms/p'
}

test_determinism()
{
	local one two three
	one=$(draws 5)
	two=$(draws 5)
	three=$(draws 6)
	is 'same seed, same faults and latencies' "$one" "$two"
	[ "$one" != "$three" ]
	ok $? 'another seed, others'
	like 'faults at their rate: some' "$one" 'HTTP/1.1 500'
	like 'faults at their rate: not all' "$one" 'HTTP/1.1 200'
	like 'skill by category' "$(chat d 'x [category:code]'; chat d 'x [category:code]'; chat d 'x [category:code]')" '\[good\]'
	put '{"name":"g","skill":{"default":0.5}}'
	one=$(for i in 1 2 3 4 5 6 7 8 9 10 11 12; do chat g "prompt $i"; done | grep -oE '\[(good|bad)\]' | sort -u | tr '\n' ' ')
	is 'skill: good and bad' "$one" '[bad] [good] '
}

test_stats()
{
	local out
	get "$base/stats/reset" -d '' > /dev/null
	put '[{"name":"c","latency_ms":200,"max_in_flight":2},{"name":"q"}]'
	for i in 1 2 3
	do
		chat c x -H "X-Client-Request-Id: id-$i" -o /dev/null -w '%{http_code}\n' &
	done > "$work/codes"
	wait $(jobs -p | grep -v "^$pid$")
	is 'max_in_flight' "$(sort "$work/codes" | tr '\n' ' ')" '200 200 429 '
	out=$(get "$base/stats")
	like 'stats: counts of a model' "$out" '"c":\{"received":3,"answered":3,"ok":2,"faulted":0,"refused":1,"abandoned":0,"in_flight":0,"max_in_flight":3'
	like 'stats: ids' "$out" '"ids":\["id-[123]","id-[123]","id-[123]"\]'
	unlike 'stats: without ids' "$(get "$base/stats?ids=0")" '"ids":'
	is 'stats: one id' "$(get "$base/stats?id=id-2")" '{"id":"id-2","models":{"c":1},"seen":1}'
	chat c x -m 0.05 > /dev/null
	abandoned() { get "$base/stats" | grep -q '"abandoned":1,"in_flight":0'; }
	await abandoned
	ok $? 'stats: a client that leaves'
	like 'stats: totals' "$(get "$base/stats")" '"totals":\{"requests":4,"connections_opened":[0-9]+,"connections_open":1,'
	chat q 'look "here"' -H 'Authorization: Bearer abc' > /dev/null
	like 'last: what was sent' "$(get "$base/admin/last?n=1")" '^\[\{"method":"POST","path":"/v1/chat/completions","headers":\{.*"authorization":"Bearer abc".*"body":"\{\\"model\\":\\"q\\"'
	get "$base/stats/reset" -d '' > /dev/null
	like 'stats: reset' "$(get "$base/stats")" '"c":\{"received":0,.*"ids":\[\]'
	like 'models: as configured' "$(get "$base/admin/models")" '"name":"c","latency_ms":200'
	get -X DELETE "$base/admin/models?name=c" > /dev/null
	like 'models: one deleted' "$(chat c x)" 'model_not_found'
	get -X DELETE "$base/admin/models" > /dev/null
	is 'models: all deleted' "$(get "$base/admin/models")" '[]'
}

test_http()
{
	local out extra
	put '{"name":"m"}'
	out=$(exec 3<> "/dev/tcp/127.0.0.1/$port"
		body=$(chat_body m one)
		for p in one two
		do
			body=$(chat_body m "$p")
			printf 'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body"
		done >&3
		printf 'GET /stats?ids=0 HTTP/1.1\r\nConnection: close\r\n\r\n' >&3
		cat <&3)
	is 'http: pipelined requests in order' "$(content <<< "$out" | tr '\n' ' ')" 'model m says: one model m says: two '
	like 'http: chunked request' "$(chat m chunks -H 'Transfer-Encoding: chunked')" 'says: chunks'
	out=$(exec 3<> "/dev/tcp/127.0.0.1/$port"
		body=$(chat_body m slow)
		printf 'POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n%s' "${body:0:3}" >&3
		printf '%s\r\n%x;x=y\r\n%s\r\n0\r\nT: 1\r\n\r\n' "${body:3:2}" $((${#body} - 5)) "${body:5}" >&3
		cat <&3)
	like 'http: chunks in pieces, with a trailer' "$out" 'says: slow'
	{ printf '{"model":"m","messages":[{"role":"user","content":"'
		head -c 20000000 /dev/zero | tr '\0' 'z'
		printf '"}]}'; } > "$work/big"
	like 'http: 20 MB body' "$(get "$base/v1/chat/completions" -H 'Expect: 100-continue' --data-binary @"$work/big")" '"prompt_tokens":5000000'
	like 'http: 100 continue' "$(get -v "$base/v1/chat/completions" -H 'Expect: 100-continue' --data-binary @"$work/big" -o /dev/null)" '100 Continue'
	like 'http: over 64 MB is 413' "$(get -i "$base/v1/chat/completions" -H 'Content-Length: 70000000' -H 'Expect:' -d '{}')" '413'
	like 'http: not HTTP is 400' "$(exec 3<> "/dev/tcp/127.0.0.1/$port"; printf 'hello\r\n\r\n' >&3; cat <&3)" '^HTTP/1.1 400'
	extra=$(get "$base/admin/listen" -d '{"port":0,"listening":true}' | sed 's/.*"port":\([0-9]*\).*/\1/')
	is 'listen: another port' "$(get "http://127.0.0.1:$extra/stats" -o /dev/null -w '%{http_code}')" 200
	get "$base/admin/listen" -d "{\"port\":$extra,\"listening\":false}" > /dev/null
	is 'listen: closed port refuses' "$(code curl -sS "http://127.0.0.1:$extra/stats")" 7
	get "$base/admin/listen" -d "{\"port\":$extra,\"listening\":true}" > /dev/null
	is 'listen: and is back' "$(get "http://127.0.0.1:$extra/stats" -o /dev/null -w '%{http_code}')" 200
}

test_start()
{
	echo '[{"name":"*","reply":"from a file"}]' > "$work/models.json"
	start --config "$work/models.json" --seed 7
	like 'config file, default model' "$(chat anything x)" '"content":"from a file"'
	is 'pid file' "$(cat "$work/pid")" "$pid"
	stop
	is 'ends well on SIGTERM' $? 0
	[ ! -e "$work/port" ] && [ ! -e "$work/pid" ]
	ok $? 'removes its files'
	echo '[{"name":"a","reply":1}]' > "$work/models.json"
	"$here/upstream" --port 0 --config "$work/models.json" 2> "$work/err"
	is 'bad config file is refused' $? 1
	like 'bad config file: why' "$(cat "$work/err")" 'reply must be a string'
}

start --seed 1
test_openai
test_stream
test_anthropic
test_embeddings
test_prefixes
test_faults
test_conditions
test_determinism
test_stats
test_http
stop
is 'server ends well' $? 0
is 'server wrote no errors' "$(cat "$work/errors")" ''
test_start
echo "1..$count"
[ "$failed" = 0 ]
