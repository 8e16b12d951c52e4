/*
 * keywords.c
 *	  The words of the prompt classifier with their weights, and the index
 *	  over them.
 *
 * The index is built once per process, on first use.  Words are lower case;
 * a word may stand in several rows, its weights then apply side by side.
 * Words that are common in English are kept out of the rows for other
 * languages.
 */
#include "postgres.h"

#include "router/keywords.h"

typedef struct WordRow
{
	MrCategory	category;
	int8		tenths;			/* of a logit, for the first occurrence */
	const char *words;			/* separated by spaces */
} WordRow;

static const WordRow rows[] = {
	{MR_CATEGORY_CODE, 28,
		"python javascript typescript golang rust kotlin swift haskell php "
		"perl bash regex sql postgresql postgres mysql sqlite mongodb redis "
		"django flask react vue angular nodejs npm css html api dockerfile "
		"docker kubernetes git github webpack pandas numpy cuda segfault "
	"stacktrace traceback compiler refactor debug"},
	{MR_CATEGORY_CODE, 20,
		"java cpp async await def const struct enum printf println stdin "
		"stdout endpoint function functions algorithm subarray substring boolean bool int "
		"nullptr null malloc pointer recursion recursive codebase script "
		"programming program programmer bug bugs exception thread mutex "
	"deadlock backend frontend ascii linked"},
	{MR_CATEGORY_CODE, 13,
		"code class method methods variable array arrays "
		"loop import return returns integer string strings tuple tuples "
		"list dictionary parse parser query queries index database "
		"implement compile runtime library module package server client "
		"cache binary tree hash sorted sort elements element iterator "
	"assert foo bar self args lambda unit"},
	{MR_CATEGORY_MATH, 26,
		"solve equation equations integral derivative theorem polynomial "
		"probability geometry algebra calculus arithmetic matrix determinant "
		"eigenvalue eigenvalues triangle hypotenuse perimeter quadratic "
		"modulo prime divisible frac sqrt logarithm cosine sine tangent "
		"trigonometric factorial permutations binomial gcd lcm remainder "
	"isomorphism homomorphism abelian"},
	{MR_CATEGORY_MATH, 16,
		"calculate compute sum product fraction percent percentage radius "
		"diameter circumference area volume angle degrees convergent "
		"converges vector subgroup simplify factor evaluate minimum maximum "
		"average median variance deviation times squared cubed cube root "
		"coefficient slope proof prove ratio altogether twice half dozen "
	"interest total remaining"},
	{MR_CATEGORY_MATH, 9,
		"many much each per left cost costs dollars cents miles hours minutes "
		"pounds weeks days number numbers digits positive negative odd even "
		"x y z n km kilometers meters cm spend spent sold buys bought apples "
	"earns pays paid plus minus"},
	{MR_CATEGORY_REASONING, 26,
		"puzzle riddle logic logical deduce deduction premise premises "
		"syllogism knights knaves liar liars paradox implies infer inference "
		"conclude conclusion therefore valid invalid counterexample fallacy "
	"logically truthful lies clue clues"},
	{MR_CATEGORY_REASONING, 15,
		"taller shorter older younger sits seated statements "
		"statement true false assume suppose hypothesis consistent "
		"contradiction argument reasoning reason why plausible likely if "
		"then either neither possible order sequence pattern next "
		"analogy strategy weigh tradeoffs follows finished sister brother "
	"doors prisoner prisoners switches coin coins immediately adjacent"},
	{MR_CATEGORY_REASONING, 7,
		"because could should would right better best decide consider step "
	"think explain who"},
	{MR_CATEGORY_KNOWLEDGE, 24,
		"capital president invented discovered born died founded located "
		"history century empire war treaty king queen emperor dynasty "
		"photosynthesis mitochondria enzyme protein chemical molecule "
		"periodic continent ocean river mountain planet species "
		"constitution amendment philosopher anatomy disease symptoms "
	"vitamin "},
	{MR_CATEGORY_KNOWLEDGE, 13,
		"what who when where which whose country city population named name "
		"known called author wrote painted novel film actor singer world "
		"law court theory physics chemistry biology economics psychology "
		"medicine geography political patient hormone cell cells atom energy "
		"define definition difference between does cause causes element "
		"defendant plaintiff clause liability market inflation religion "
	"year famous largest tallest longest oldest smallest"},
	{MR_CATEGORY_INSTRUCTION_FOLLOWING, 22,
		"exactly uppercase lowercase capitalized bullet bullets verbatim "
		"placeholder placeholders postscript sentences paragraphs comma "
		"commas asterisks markdown hashtags headings begin ends numbered "
	"alphabetical avoid alphabetically"},
	{MR_CATEGORY_INSTRUCTION_FOLLOWING, 11,
		"words word letters letter must only include use least most without "
		"format repeat start end section sections title titled "
		"wrap double quotation response respond reply entire output "
		"line lines keyword keywords constraint constraints contain "
	"containing starting ending instead never"},
	{MR_CATEGORY_INSTRUCTION_FOLLOWING, 4,
	"following answer"},
	{MR_CATEGORY_WRITING_CHAT, 26,
		"poem poems essay story stories haiku lyrics song sonnet email "
		"tweet blog speech screenplay limerick slogan tagline "
		"narrative rewrite rephrase proofread brainstorm hello hi hey thanks "
		"congratulate birthday wedding toast joke jokes roleplay pitch "
	"newsletter caption cover"},
	{MR_CATEGORY_WRITING_CHAT, 14,
		"write draft compose creative tone style persuasive friendly polite "
		"formal casual character characters imagine pretend dialogue scene "
		"plot paragraph post linkedin instagram advice recommend suggest "
		"ideas tips feel feeling sad tired friend boss colleague customer "
		"travel trip itinerary recipe dinner invitation apology marketing "
		"description thank tagline dear improve love weekend outline "
	"script gift"},
	{MR_CATEGORY_WRITING_CHAT, 5,
	"you your my me we please help about good am should"},
	{MR_CATEGORY_MULTILINGUAL, 30,
		"translate translation spanish french german italian portuguese "
		"chinese japanese korean russian arabic hindi turkish polish dutch "
		"swedish vietnamese indonesian thai hebrew greek ukrainian czech "
	"swahili bengali multilingual"},
	{MR_CATEGORY_MULTILINGUAL, 13,
		"el los las que por para una como est\303\241 qu\303\251 "
		"c\303\263mo del "
		"cu\303\241l cu\303\241ntos es muy mi le les des est pour dans quel "
		"quelle une avec sur nous vous je ne pas sont et il gli che di della "
		"sono per\303\262 perch\303\251 ich und nicht ein eine der das ist "
		"wie f\303\274r mit auf sind wir bitte zu von uma n\303\243o um "
		"voc\303\252 isso het een niet bir ve i\303\247in ne nas\304\261l "
		"yang dan untuk dengan apa jest nie si\304\231 jak och att som "
	"mundo ciudad estoy puedes ayudarme comment pourquoi warum"},
	{MR_CATEGORY_EXTRACTION_SUMMARIZATION, 30,
		"summarize summarise summary tldr extract extraction classify "
		"sentiment abstract takeaways transcript entities invoice ocr "
		"condense annotate categorize headline synopsis "
	"recap "},
	{MR_CATEGORY_EXTRACTION_SUMMARIZATION, 13,
		"passage article text document documents review reviews paragraph "
		"json field fields key points identify label labels below excerpt "
		"report context mentioned according table csv columns "
		"dates names phone normalize parse topic categories notes meeting "
	"conversation log records"},
	{MR_CATEGORY_LONG_CONTEXT, 16,
		"chapter chapters appendix attached haystack transcripts book "
	"manuscript "},
	{MR_CATEGORY_TOOL_USE, 30,
		"tool tools toolbox browse websearch "
	"webhook"},
	{MR_CATEGORY_TOOL_USE, 16,
		"search weather calendar schedule remind reminder "
		"appointment reservation fetch lookup invoke booking flights "
		"stock forecast today tomorrow tonight current currently latest "
	"agent alarm playlist timer turn"},
	{MR_CATEGORY_TOOL_USE, 8,
		"set send call check add create find available nearby hotel flight "
	"update account"}
};

static MrKeywordIndex keyword_index;

static void build_index(void);
static void build_fold(void);
static int	intern_word(uint64 hash);

const MrKeywordIndex *
mr_keyword_index(void)
{
	if (unlikely(keyword_index.nkeywords == 0))
		build_index();
	return &keyword_index;
}

static void
build_index(void)
{
	build_fold();
	for (size_t i = 0; i < lengthof(rows); i++)
	{
		const char *next = rows[i].words;

		while (*next != '\0')
		{
			uint64		hash = 0;

			while (*next != ' ' && *next != '\0')
				hash = mr_keyword_step(hash, (uint8) *next++);
			if (hash != 0)
				keyword_index.weights[intern_word(hash)][rows[i].category] =
					rows[i].tenths;
			if (*next == ' ')
				next++;
		}
	}
}

/*
 * U+2000 to U+2FFF, whose lead byte is 0xE2, are punctuation and symbols.
 */
static void
build_fold(void)
{
	for (int c = 'a'; c <= 'z'; c++)
	{
		keyword_index.fold[c] = c;
		keyword_index.fold[c - 'a' + 'A'] = c;
	}
	for (int c = 0x80; c <= 0xFF; c++)
		keyword_index.fold[c] = c;
	keyword_index.fold[0xE2] = 0;
}

static int
intern_word(uint64 hash)
{
	uint64		mixed = mr_keyword_mix(hash);
	uint32		slot = (uint32) (mixed >> 52);
	int			found = mr_keyword_find(&keyword_index, hash);

	if (found >= 0)
		return found;
	Assert(keyword_index.nkeywords < MR_KEYWORDS_MAX);
	while (keyword_index.tag[slot] != 0)
		slot = (slot + 1) % MR_KEYWORD_SLOTS;
	keyword_index.tag[slot] = (uint32) (mixed >> 16) | 1;
	keyword_index.keyword[slot] = keyword_index.nkeywords;
	return keyword_index.nkeywords++;
}
