/*
 * anthropic_request.c
 *	  From OpenAI's messages, tools and output format to Anthropic's.
 *
 * System messages are lifted out; a tool's result becomes part of a user
 * message; messages of one role in a row become one, because roles have to
 * alternate.  A content part or tool of an unknown type goes out unchanged:
 * it may be Anthropic's own form.
 */
#include "postgres.h"

#include "provider/anthropic.h"

/* Where the writer stands in the messages array. */
typedef struct TurnWriter
{
	StringInfo	out;
	const char *role;			/* of the open message, or NULL */
	bool		any_message;
	bool		any_block;		/* in the open message */
} TurnWriter;

static void write_system(MrBody *body, const MrJson *messages);
static bool is_system(const MrJson *message);
static const char *lone_system_text(const MrJson *messages);
static void write_turn(TurnWriter *turn, const MrJson *message);
static void write_tool_result(TurnWriter *turn, const MrJson *message);
static void open_block(TurnWriter *turn, const char *role);
static void close_turn(TurnWriter *turn);
static void write_content(TurnWriter *turn, const char *role,
						  const MrJson *content);
static bool is_empty_text(const MrJson *part);
static void write_part(StringInfo out, const MrJson *part);
static void write_text_part(StringInfo out, const char *text,
							const MrJson *part);
static void write_source(StringInfo out, const char *url);
static void write_thinking(TurnWriter *turn, const MrJson *message);
static void write_tool_calls(TurnWriter *turn, const MrJson *message);
static void write_arguments(StringInfo out, const char *arguments);
static void write_tool(StringInfo out, const MrJson *tool);
static void write_tool_choice(MrBody *body, const MrRequest *request);
static void write_member(StringInfo out, const char *name,
						 const MrJson *value);
static bool equals(const char *text, const char *word);

/* Write the fields system and messages from messages_json. */
void
mr_anthropic_write_messages(MrBody *body, const MrRequest *request)
{
	const MrJson *messages = mr_request_json(request->messages_json,
											 "messages");
	TurnWriter	turn = {.out = body->out};

	write_system(body, messages);
	mr_body_field(body, "messages");
	appendStringInfoChar(body->out, '[');
	for (const MrJson *message = mr_json_first(messages); message != NULL;
		 message = mr_json_next(message))
	{
		if (!is_system(message))
			write_turn(&turn, message);
	}
	close_turn(&turn);
	appendStringInfoChar(body->out, ']');
}

/* One plain text stays a string; anything more becomes a list of blocks. */
static void
write_system(MrBody *body, const MrJson *messages)
{
	TurnWriter	turn = {.out = body->out, .role = "system"};
	const char *lone = lone_system_text(messages);
	bool		any = false;

	for (const MrJson *message = mr_json_first(messages); message != NULL;
		 message = mr_json_next(message))
		any |= is_system(message);
	if (!any || (lone != NULL && lone[0] == '\0') ||
		!mr_body_field(body, "system"))
		return;

	if (lone != NULL)
	{
		mr_json_append_string(body->out, lone);
		return;
	}
	appendStringInfoChar(body->out, '[');
	for (const MrJson *message = mr_json_first(messages); message != NULL;
		 message = mr_json_next(message))
	{
		if (is_system(message))
			write_content(&turn, turn.role, mr_json_get(message, "content"));
	}
	appendStringInfoChar(body->out, ']');
}

static bool
is_system(const MrJson *message)
{
	const char *role = mr_json_get_string(message, "role");

	return equals(role, "system") || equals(role, "developer");
}

/* The text of the only system message, if there is one and it is a string. */
static const char *
lone_system_text(const MrJson *messages)
{
	const char *text = NULL;
	int			nsystem = 0;

	for (const MrJson *message = mr_json_first(messages); message != NULL;
		 message = mr_json_next(message))
	{
		if (!is_system(message))
			continue;
		text = mr_json_get_string(message, "content");
		nsystem++;
	}
	return nsystem == 1 ? text : NULL;
}

static void
write_turn(TurnWriter *turn, const MrJson *message)
{
	const char *role = mr_json_get_string(message, "role");

	if (equals(role, "tool") || equals(role, "function"))
	{
		write_tool_result(turn, message);
		return;
	}
	role = equals(role, "assistant") ? "assistant" : "user";
	write_thinking(turn, message);
	write_content(turn, role, mr_json_get(message, "content"));
	write_tool_calls(turn, message);
}

static void
write_tool_result(TurnWriter *turn, const MrJson *message)
{
	const MrJson *content = mr_json_get(message, "content");
	const char *id = mr_json_get_string(message, "tool_call_id");

	open_block(turn, "user");
	appendStringInfoString(turn->out,
						   "{\"type\":\"tool_result\",\"tool_use_id\":");
	mr_json_append_string(turn->out, id != NULL ? id : "");
	if (mr_json_is_array(content))
	{
		TurnWriter	inner = {.out = turn->out, .role = "tool"};

		appendStringInfoString(turn->out, ",\"content\":[");
		write_content(&inner, inner.role, content);
		appendStringInfoChar(turn->out, ']');
	}
	else if (content != NULL)
		write_member(turn->out, "content", content);
	appendStringInfoChar(turn->out, '}');
}

/*
 * Get ready to write a block of this role: start a message when the role
 * changes.
 */
static void
open_block(TurnWriter *turn, const char *role)
{
	if (!equals(turn->role, role))
	{
		close_turn(turn);
		appendStringInfo(turn->out, "%s{\"role\":\"%s\",\"content\":[",
						 turn->any_message ? "," : "", role);
		turn->role = role;
		turn->any_message = true;
		turn->any_block = false;
	}
	if (turn->any_block)
		appendStringInfoChar(turn->out, ',');
	turn->any_block = true;
}

static void
close_turn(TurnWriter *turn)
{
	if (turn->role != NULL)
		appendStringInfoString(turn->out, "]}");
	turn->role = NULL;
}

/* Anthropic refuses empty text blocks, so they are left out. */
static void
write_content(TurnWriter *turn, const char *role, const MrJson *content)
{
	const char *text = mr_json_string(content);

	if (text != NULL && text[0] != '\0')
	{
		open_block(turn, role);
		write_text_part(turn->out, text, NULL);
	}
	if (!mr_json_is_array(content))
		return;
	for (const MrJson *part = mr_json_first(content); part != NULL;
		 part = mr_json_next(part))
	{
		if (is_empty_text(part))
			continue;
		open_block(turn, role);
		write_part(turn->out, part);
	}
}

static bool
is_empty_text(const MrJson *part)
{
	return equals(mr_json_get_string(part, "type"), "text") &&
		equals(mr_json_get_string(part, "text"), "");
}

static void
write_part(StringInfo out, const MrJson *part)
{
	const char *type = mr_json_get_string(part, "type");
	const char *text = mr_json_get_string(part, "text");
	const char *refusal = mr_json_get_string(part, "refusal");
	const char *image = mr_json_get_string(part, "image_url.url");
	const char *file = mr_json_get_string(part, "file.file_data");

	if (equals(type, "text") && text != NULL)
		write_text_part(out, text, part);
	else if (equals(type, "refusal") && refusal != NULL)
		write_text_part(out, refusal, NULL);
	else if (equals(type, "image_url") && image != NULL)
	{
		appendStringInfoString(out, "{\"type\":\"image\",\"source\":");
		write_source(out, image);
		appendStringInfoChar(out, '}');
	}
	else if (equals(type, "file") && file != NULL)
	{
		appendStringInfoString(out, "{\"type\":\"document\",\"source\":");
		write_source(out, file);
		appendStringInfoChar(out, '}');
	}
	else
		mr_json_append(out, part);
}

/* Text with the cache mark of the part that it comes from, if any. */
static void
write_text_part(StringInfo out, const char *text, const MrJson *part)
{
	const MrJson *cache_control = mr_json_get(part, "cache_control");

	appendStringInfoString(out, "{\"type\":\"text\",\"text\":");
	mr_json_append_string(out, text);
	if (cache_control != NULL)
		write_member(out, "cache_control", cache_control);
	appendStringInfoChar(out, '}');
}

/* A data URL (data:image/png;base64,...) is sent inline, another by name. */
static void
write_source(StringInfo out, const char *url)
{
	const char *semicolon = strchr(url, ';');
	const char *data = strstr(url, ";base64,");

	if (strncmp(url, "data:", 5) == 0 && data != NULL)
	{
		appendStringInfoString(out,
							   "{\"type\":\"base64\",\"media_type\":");
		mr_json_append_text(out, url + 5, semicolon - (url + 5));
		appendStringInfoString(out, ",\"data\":");
		mr_json_append_string(out, data + strlen(";base64,"));
	}
	else
	{
		appendStringInfoString(out, "{\"type\":\"url\",\"url\":");
		mr_json_append_string(out, url);
	}
	appendStringInfoChar(out, '}');
}

/* Restore what print_thinking of anthropic.c kept. */
static void
write_thinking(TurnWriter *turn, const MrJson *message)
{
	const MrJson *blocks = mr_json_get(message, "thinking_blocks");

	for (const MrJson *block = mr_json_first(blocks); block != NULL;
		 block = mr_json_next(block))
	{
		open_block(turn, "assistant");
		mr_json_append(turn->out, block);
	}
}

static void
write_tool_calls(TurnWriter *turn, const MrJson *message)
{
	const MrJson *calls = mr_json_get(message, "tool_calls");

	for (const MrJson *call = mr_json_first(calls); call != NULL;
		 call = mr_json_next(call))
	{
		const char *id = mr_json_get_string(call, "id");
		const char *name = mr_json_get_string(call, "function.name");

		open_block(turn, "assistant");
		if (name == NULL)
		{
			mr_json_append(turn->out, call);
			continue;
		}
		appendStringInfoString(turn->out, "{\"type\":\"tool_use\",\"id\":");
		mr_json_append_string(turn->out, id != NULL ? id : "");
		appendStringInfoString(turn->out, ",\"name\":");
		mr_json_append_string(turn->out, name);
		appendStringInfoString(turn->out, ",\"input\":");
		write_arguments(turn->out,
						mr_json_get_string(call, "function.arguments"));
		appendStringInfoChar(turn->out, '}');
	}
}

/*
 * The arguments string of a call as the object it should hold, word for word.
 * A model may have written something else; that is kept as a string.
 */
static void
write_arguments(StringInfo out, const char *arguments)
{
	const char *problem;
	const MrJson *tree;

	if (arguments == NULL || arguments[0] == '\0')
	{
		appendStringInfoString(out, "{}");
		return;
	}
	tree = mr_json_parse(arguments, strlen(arguments), &problem);
	if (mr_json_is_object(tree))
		appendStringInfoString(out, arguments);
	else
	{
		appendStringInfoString(out, "{\"arguments\":");
		mr_json_append_string(out, arguments);
		appendStringInfoChar(out, '}');
	}
}

/* Write the fields tools and tool_choice. */
void
mr_anthropic_write_tools(MrBody *body, const MrRequest *request)
{
	const MrJson *tools;

	if (request->tools_json != NULL && mr_body_field(body, "tools"))
	{
		tools = mr_request_json(request->tools_json, "tools");
		appendStringInfoChar(body->out, '[');
		for (const MrJson *tool = mr_json_first(tools); tool != NULL;
			 tool = mr_json_next(tool))
		{
			if (tool != mr_json_first(tools))
				appendStringInfoChar(body->out, ',');
			write_tool(body->out, tool);
		}
		appendStringInfoChar(body->out, ']');
	}
	if (request->tool_choice_json != NULL)
		write_tool_choice(body, request);
}

static void
write_tool(StringInfo out, const MrJson *tool)
{
	const MrJson *function = mr_json_get(tool, "function");
	const MrJson *parameters = mr_json_get(function, "parameters");
	const char *name = mr_json_get_string(function, "name");

	if (name == NULL)
	{
		mr_json_append(out, tool);
		return;
	}
	appendStringInfoString(out, "{\"name\":");
	mr_json_append_string(out, name);
	if (mr_json_get_string(function, "description") != NULL)
		write_member(out, "description",
					 mr_json_get(function, "description"));
	if (mr_json_is_object(parameters))
		write_member(out, "input_schema", parameters);
	else
		appendStringInfoString(out, ",\"input_schema\":{\"type\":\"object\","
							   "\"properties\":{}}");
	if (mr_json_is_true(mr_json_get(function, "strict")))
		appendStringInfoString(out, ",\"strict\":true");
	appendStringInfoChar(out, '}');
}

/* auto, none, required or a named function; else Anthropic's own object. */
static void
write_tool_choice(MrBody *body, const MrRequest *request)
{
	const MrJson *choice = mr_request_json(request->tool_choice_json,
										   "tool_choice");
	const char *word = mr_json_string(choice);
	const char *name = mr_json_get_string(choice, "function.name");

	if (!mr_body_field(body, "tool_choice"))
		return;
	if (name != NULL)
	{
		appendStringInfoString(body->out, "{\"type\":\"tool\",\"name\":");
		mr_json_append_string(body->out, name);
		appendStringInfoChar(body->out, '}');
	}
	else if (word != NULL)
	{
		appendStringInfoString(body->out, "{\"type\":");
		mr_json_append_string(body->out,
							  equals(word, "required") ? "any" : word);
		appendStringInfoChar(body->out, '}');
	}
	else
		mr_json_append(body->out, choice);
}

/*
 * Write output_config from reasoning_effort and response_format.
 *
 * Effort none is sent as nothing, because thinking has to be asked for, and
 * minimal as the lowest there is.  A json_object format has no counterpart:
 * with either dialect the prompt itself has to ask for JSON.
 */
void
mr_anthropic_write_output(MrBody *body, const MrRequest *request)
{
	const char *effort = request->reasoning_effort;
	const MrJson *schema = NULL;

	if (request->response_format_json != NULL)
		schema = mr_json_get(mr_request_json(request->response_format_json,
											 "response_format"),
							 "json_schema.schema");
	if (equals(effort, "none"))
		effort = NULL;
	else if (equals(effort, "minimal"))
		effort = "low";
	if ((effort == NULL && schema == NULL) ||
		!mr_body_field(body, "output_config"))
		return;

	appendStringInfoChar(body->out, '{');
	if (effort != NULL)
	{
		appendStringInfoString(body->out, "\"effort\":");
		mr_json_append_string(body->out, effort);
	}
	if (schema != NULL)
	{
		appendStringInfoString(body->out, effort != NULL ? "," : "");
		appendStringInfoString(body->out, "\"format\":{\"type\":"
							   "\"json_schema\"");
		write_member(body->out, "schema", schema);
		appendStringInfoChar(body->out, '}');
	}
	appendStringInfoChar(body->out, '}');
}

static void
write_member(StringInfo out, const char *name, const MrJson *value)
{
	appendStringInfo(out, ",\"%s\":", name);
	mr_json_append(out, value);
}

static bool
equals(const char *text, const char *word)
{
	return text != NULL && strcmp(text, word) == 0;
}
