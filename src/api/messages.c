/*
 * messages.c
 *	  Chat messages of a call: their shape is checked, their text is collected
 *	  for the router.
 *
 * What is sent is the JSON as it came; only the shape that every dialect
 * relies on is required, fields beyond it pass.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "api/options.h"
#include "base/text.h"

/* What is gathered on the way through the messages. */
typedef struct Gathered
{
	StringInfoData system;		/* text of system and developer messages */
	StringInfoData others;
	bool		images;
} Gathered;

/* A message being checked, for its errors. */
typedef struct Message
{
	int			index;			/* from 0, as in the array */
	JsonbContainer *object;
	StringInfo	text;			/* where its text is collected */
	const char *role;
} Message;

static void read_message(JsonbValue *value, int index, Gathered *gathered);
static void read_role(Message *message, Gathered *gathered);
static void read_content(const Message *message, Gathered *gathered);
static bool may_lack_content(const Message *message);
static void read_parts(const Message *message, JsonbContainer *parts,
					   Gathered *gathered);
static void read_part(const Message *message, JsonbContainer *part,
					  Gathered *gathered);
static bool get_field(JsonbContainer *object, const char *name,
					  JsonbValue *value);
static bool is_word(const JsonbValue *value, const char *word);
static void append_text(StringInfo out, const JsonbValue *value);
static void set_texts(MrRequest *request, Gathered *gathered);
static void raise_message(int index, const char *detail)
			pg_attribute_noreturn();

void
mr_request_set_messages(MrRequest *request, Jsonb *messages)
{
	Gathered	gathered = {0};
	int			count = JB_ROOT_COUNT(messages);
	char	   *json;

	if (!JB_ROOT_IS_ARRAY(messages) || JB_ROOT_IS_SCALAR(messages))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("messages must be a JSON array"),
				 errhint("For example '[{\"role\": \"user\", \"content\": \"Hello\"}]'.")));
	if (request->system != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"system\" does not go with messages"),
				 errhint("Begin the messages with {\"role\": \"system\", \"content\": ...}.")));
	if (count == 0 || count > MR_MESSAGES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("messages must have between 1 and %d elements",
						MR_MESSAGES_MAX)));
	if (VARSIZE(messages) > MR_PROMPT_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("messages are too long"),
				 errdetail("The limit is %d bytes.", MR_PROMPT_MAX_BYTES)));
	initStringInfo(&gathered.system);
	initStringInfo(&gathered.others);
	for (int i = 0; i < count; i++)
		read_message(getIthJsonbValueFromContainer(&messages->root, i), i,
					 &gathered);
	if (gathered.images)
		request->capabilities |= MR_CAPABILITY_VISION;
	json = JsonbToCString(NULL, &messages->root, VARSIZE(messages));
	request->messages_json = mr_text_to_utf8(json, strlen(json),
											 &request->messages_bytes);
	request->nmessages = count;
	set_texts(request, &gathered);
}

static void
read_message(JsonbValue *value, int index, Gathered *gathered)
{
	Message		message = {.index = index};

	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		raise_message(index, "A message must be an object.");
	message.object = value->val.binary.data;
	read_role(&message, gathered);
	read_content(&message, gathered);
}

static void
read_role(Message *message, Gathered *gathered)
{
	static const struct
	{
		const char *role;
		bool		system;
	}			roles[] = {
		{"user", false}, {"assistant", false}, {"system", true},
		{"developer", true}, {"tool", false}
	};
	JsonbValue	value;

	if (get_field(message->object, "role", &value))
		for (size_t i = 0; i < lengthof(roles); i++)
			if (is_word(&value, roles[i].role))
			{
				message->role = roles[i].role;
				message->text = roles[i].system
					? &gathered->system : &gathered->others;
				return;
			}
	raise_message(message->index, "Field \"role\" must be \"system\", \"developer\", \"user\", \"assistant\" or \"tool\".");
}

static void
read_content(const Message *message, Gathered *gathered)
{
	JsonbValue	content;

	if (!get_field(message->object, "content", &content))
	{
		if (!may_lack_content(message))
			raise_message(message->index, "Field \"content\" is missing.");
	}
	else if (content.type == jbvString)
		append_text(message->text, &content);
	else if (content.type == jbvBinary &&
			 JsonContainerIsArray(content.val.binary.data))
		read_parts(message, content.val.binary.data, gathered);
	else
		raise_message(message->index, "Field \"content\" must be a string or an array of parts.");
}

/*
 * Only an assistant's message that calls tools says nothing itself.
 */
static bool
may_lack_content(const Message *message)
{
	JsonbValue	calls;

	return strcmp(message->role, "assistant") == 0 &&
		(get_field(message->object, "tool_calls", &calls) ||
		 get_field(message->object, "refusal", &calls));
}

static void
read_parts(const Message *message, JsonbContainer *parts, Gathered *gathered)
{
	int			count = JsonContainerSize(parts);

	if (count == 0)
		raise_message(message->index, "Field \"content\" must not be empty.");
	for (int i = 0; i < count; i++)
	{
		JsonbValue *part = getIthJsonbValueFromContainer(parts, i);

		if (part->type != jbvBinary ||
			!JsonContainerIsObject(part->val.binary.data))
			raise_message(message->index, "A part of \"content\" must be an object.");
		read_part(message, part->val.binary.data, gathered);
	}
}

static void
read_part(const Message *message, JsonbContainer *part, Gathered *gathered)
{
	JsonbValue	type;
	JsonbValue	value;

	if (!get_field(part, "type", &type) || type.type != jbvString)
		raise_message(message->index, "A part of \"content\" must have a field \"type\".");
	if (is_word(&type, "text"))
	{
		if (!get_field(part, "text", &value) || value.type != jbvString)
			raise_message(message->index, "A part of type \"text\" must have a string \"text\".");
		append_text(message->text, &value);
	}
	else if (is_word(&type, "image_url"))
	{
		if (!get_field(part, "image_url", &value))
			raise_message(message->index, "A part of type \"image_url\" must have a field \"image_url\".");
		gathered->images = true;
	}
}

/*
 * A JSON null is a field that is not there.
 */
static bool
get_field(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name),
										value) != NULL &&
		value->type != jbvNull;
}

static bool
is_word(const JsonbValue *value, const char *word)
{
	return value->type == jbvString &&
		value->val.string.len == (int) strlen(word) &&
		memcmp(value->val.string.val, word, strlen(word)) == 0;
}

static void
append_text(StringInfo out, const JsonbValue *value)
{
	if (out->len > 0)
		appendStringInfoChar(out, '\n');
	appendBinaryStringInfo(out, value->val.string.val,
						   value->val.string.len);
}

static void
set_texts(MrRequest *request, Gathered *gathered)
{
	StringInfo	all = &gathered->system;
	size_t		system_bytes = 0;

	if (all->len > 0)
	{
		appendStringInfoChar(all, '\n');
		mr_text_to_utf8(all->data, all->len, &system_bytes);
	}
	appendBinaryStringInfo(all, gathered->others.data, gathered->others.len);
	request->messages_text = mr_text_to_utf8(all->data, all->len,
											 &request->messages_text_bytes);
	request->messages_system_bytes = system_bytes;
}

static void
raise_message(int index, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid message at index %d", index),
			 errdetail("%s", detail)));
}
