-- The kind of a prompt as route() sees it, on prompts written for this test:
-- at least four in five must be right.
\set ON_ERROR_ROLLBACK on
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL modelroute.allowed_hosts = '127.0.0.1';
DELETE FROM modelroute.model;
SELECT modelroute.add_provider('rt-a', 'http://127.0.0.1:9001/v1');
SELECT modelroute.add_model('rt-one', 'rt-a');

CREATE TEMP TABLE labelled(category text, prompt text);
INSERT INTO labelled VALUES
('code', 'Write a Python function that merges two sorted lists in linear time.'),
('code', E'Why does this throw a NullPointerException?\n\npublic int size() { return items.size(); }'),
('code', 'Convert this SQL query to use a window function instead of a self join: SELECT a.id FROM t a JOIN t b ON a.id = b.parent_id;'),
('code', 'How do I undo the last commit in git without losing my changes?'),
('code', 'Implement an LRU cache in Rust with O(1) get and put.'),
('code', 'My React component re-renders on every keystroke. How can I avoid that?'),
('code', E'def f(xs):\n    return [x for x in xs if x > 0]\n\nWhat does f([-1, 2, 3]) return?'),
('math', 'Solve for x: 3x^2 - 12x + 9 = 0.'),
('math', 'A train travels 240 km in 3 hours. How many kilometers does it travel in 5 hours at the same speed?'),
('math', 'Find the derivative of f(x) = x^3 * sin(x).'),
('math', 'What is 17% of 2,340?'),
('math', 'Tom has 3 times as many apples as Ann. Together they have 48 apples. How many apples does Ann have?'),
('math', 'Prove that the square root of 2 is irrational.'),
('math', 'Compute the determinant of the matrix [[2, 1], [5, 3]].'),
('reasoning', 'All bloops are razzies and all razzies are lazzies. Are all bloops definitely lazzies? Explain the logic.'),
('reasoning', 'Alice is taller than Bob. Carol is shorter than Bob. Who is the tallest, and why?'),
('reasoning', 'Three switches outside a closed room control three lamps inside. You may enter once. How can you deduce which switch controls which lamp?'),
('reasoning', 'On an island, knights always tell the truth and knaves always lie. A says: B is a knave. B says: we are both knights. What are A and B?'),
('reasoning', 'Is the following argument valid? If it rains, the street is wet. The street is wet. Therefore it rained.'),
('reasoning', 'Five friends finished a race. Dan finished before Eve but after Finn. Gus was last. In which order did they finish?'),
('reasoning', 'A man looks at a portrait and says: brothers and sisters I have none, but this man''s father is my father''s son. Who is in the portrait? Give your reasoning.'),
('knowledge', 'What is the capital of Australia?'),
('knowledge', 'Who wrote the novel One Hundred Years of Solitude?'),
('knowledge', 'When did the Ottoman Empire end?'),
('knowledge', 'Which vitamin does the skin produce in sunlight?'),
('knowledge', 'What is the difference between mitosis and meiosis?'),
('knowledge', 'Name the largest moon of Saturn.'),
('knowledge', 'Where is the island of Socotra located?'),
('instruction_following', 'List five fruits. Use exactly one word for each, in alphabetical order, separated by commas, all in uppercase.'),
('instruction_following', 'Describe autumn in exactly three sentences. Do not use the letter q. End with the word "done".'),
('instruction_following', 'Answer only with yes or no, in lowercase and without punctuation: is water wet?'),
('instruction_following', 'Give two headings in markdown, each followed by exactly two bullet points of at most six words.'),
('instruction_following', 'Repeat the following line verbatim, then add a postscript starting with P.S.'),
('instruction_following', 'Your reply must contain the keyword "harbor" at least four times and no commas.'),
('instruction_following', 'Respond with a title wrapped in double angular brackets and at least two placeholders in square brackets.'),
('writing_chat', 'Write a short poem about the sea in winter.'),
('writing_chat', 'Draft a polite email to my boss asking for two days off next week.'),
('writing_chat', 'Hi! How are you doing today? I feel a bit tired.'),
('writing_chat', 'Tell me a funny story about a cat who wants to become a pilot.'),
('writing_chat', 'Please rewrite this paragraph in a friendlier tone for our customers.'),
('writing_chat', 'Suggest some gift ideas for a friend who loves gardening.'),
('writing_chat', 'Write a LinkedIn post announcing our new coffee shop.'),
('multilingual', 'Translate into German: The meeting has been moved to Thursday.'),
('multilingual', '¿Cuáles son las principales causas de la inflación y cómo afecta a las familias?'),
('multilingual', 'Explique-moi pourquoi le ciel est bleu, s''il te plaît.'),
('multilingual', '请用中文解释什么是量子纠缠。'),
('multilingual', 'Как приготовить борщ на шесть человек?'),
('multilingual', '日本の首都はどこですか。'),
('multilingual', 'Wie funktioniert ein Kühlschrank und warum ist er hinten warm?'),
('multilingual', 'How do you say "good evening" in Japanese and in Korean?'),
('extraction_summarization', E'Summarize the following article in two sentences:\n\nThe city council voted on Monday to extend the tram line to the harbor. Construction starts in spring and takes three years.'),
('extraction_summarization', E'Extract all names and dates from the text below as JSON.\n\nJane Roe met Paul Stone on 3 May 2021 in Oslo.'),
('extraction_summarization', 'Classify the sentiment of this review as positive, negative or neutral: The battery died after two days.'),
('extraction_summarization', E'Give me the key points of this meeting transcript:\nAnna: we ship on Friday. Ben: QA needs one more day.'),
('extraction_summarization', 'From this invoice, return the fields vendor, total and due date: ACME Corp, Invoice 4711, total 99.50 EUR, due 1 June.'),
('extraction_summarization', E'TL;DR of the report below please.\nRevenue rose in all regions except the north, where two stores closed.'),
('extraction_summarization', E'Label each of these support tickets with a category: billing, bug, or question.\n1. I was charged twice.\n2. The app crashes.'),
('tool_use', 'Use the search tool to find the current weather in Paris and then set a reminder for tomorrow morning.'),
('tool_use', 'Book a table for four tonight at an Italian place nearby and add it to my calendar.'),
('tool_use', 'What is the latest stock price of ACME? Look it up with the available tools.'),
('tool_use', 'Turn off the lights in the kitchen and set an alarm for 6 am.'),
('tool_use', 'Find flights from Oslo to Rome next Friday and send the cheapest one to my assistant agent.'),
('long_context', repeat('The council met again and nothing of note was said. ', 4000) || 'What did the council decide about the tram?'),
('long_context', 'Read the book and answer. ' || repeat('Chapter by chapter the voyage went on. ', 8000));

CREATE TEMP TABLE judged AS
SELECT category, (modelroute.route(prompt)).category = category AS good
  FROM labelled;
SELECT category, count(*) AS prompts, avg(good::int) >= 0.6 AS most_are_right
  FROM judged GROUP BY category ORDER BY category;
SELECT count(*) AS prompts, avg(good::int) >= 0.8 AS four_in_five
  FROM judged;

-- what the request says goes before what the prompt says
SELECT (modelroute.route('What is the capital of Peru?',
                         options => '{"category": "math"}')).category;
SELECT category FROM modelroute.route_candidates('Is it open?',
    options => '{"tools": [{"type": "function", "function": {"name": "f"}}]}');
ROLLBACK;
