//! Words that tell the kind of work, by language. Points say how much a word tells, from 1 (a hint) to 6 (hardly anything
//! else). A phrase that ends in `*` matches any ending. Texts are compared in lower case with single spaces.

/// A kind of task and the phrases that speak for it, outside of scripts that write without spaces.
pub(super) const PHRASES: &[(&str, &[(&str, i64)])] = &[
    ("translate", TRANSLATE),
    ("summarize", SUMMARIZE),
    ("extract", EXTRACT),
    ("classify", CLASSIFY),
    ("code", CODE),
    ("math", MATH),
    ("reasoning", REASONING),
    ("writing", WRITING),
    ("qa", QA),
    ("chat", CHAT),
    ("agent", AGENT),
];

const TRANSLATE: &[(&str, i64)] = &[
    ("translat*", 6), ("into english", 3), ("to english", 2), ("in english", 1), ("into french", 4),
    ("to french", 3), ("into german", 4), ("to german", 3), ("into spanish", 4), ("to spanish", 3),
    ("into italian", 4), ("to italian", 3), ("into portuguese", 4), ("to portuguese", 3), ("into chinese", 4),
    ("to chinese", 3), ("into japanese", 4), ("to japanese", 3), ("into korean", 4), ("to korean", 3),
    ("to russian", 3), ("to arabic", 3), ("to hindi", 3), ("how do you say", 4), ("übersetz*", 6),
    ("ins deutsche", 4), ("ins englische", 4), ("auf englisch", 2), ("auf deutsch", 1), ("tradui*", 6),
    ("en anglais", 3), ("en français", 1), ("traduc*", 6), ("traduz*", 6), ("al inglés", 4), ("al español", 4),
    ("in inglese", 3), ("em inglês", 3), ("para o inglês", 4), ("para inglês", 4),
];

const SUMMARIZE: &[(&str, i64)] = &[
    ("summar*", 6), ("tl;dr", 5), ("tldr", 5), ("key points", 4), ("main points", 4), ("key takeaways", 5),
    ("in a nutshell", 3), ("condense*", 4), ("give me the gist", 5), ("shorten*", 3), ("executive summary", 3),
    ("meeting notes", 2), ("abstract of", 2), ("zusammenfass*", 6), ("fasse", 3), ("fass", 3), ("kernaussagen", 5),
    ("kürze", 3), ("résum*", 6), ("points clés", 4), ("resum*", 5), ("puntos clave", 4), ("riassum*", 6),
    ("riassunto", 6), ("sintetizz*", 4), ("sintetiz*", 4), ("pontos principais", 4),
];

const EXTRACT: &[(&str, i64)] = &[
    ("extract*", 5), ("pull out", 4), ("list all the", 3), ("find all", 3), ("list every", 3), ("identify all", 3),
    ("named entit*", 5), ("entities", 3), ("parse the", 3), ("fill in the fields", 4), ("return json", 3),
    ("return a json", 3), ("as json", 3), ("in json", 2), ("json object", 2), ("key-value", 2),
    ("from the following text", 2), ("invoice number", 3), ("phone numbers", 2), ("email addresses", 2),
    ("extrahier*", 6), ("entnimm", 4), ("extrai*", 6), ("extrae*", 6), ("extraer", 6), ("estrai*", 6),
    ("estrarre", 6),
];

const CLASSIFY: &[(&str, i64)] = &[
    ("classif*", 6), ("categoriz*", 6), ("categoris*", 6), ("sentiment*", 5), ("positive or negative", 5),
    ("positive, negative", 5), ("spam", 3), ("which category", 5), ("which of these categories", 5),
    ("label the", 3), ("label each", 4), ("labels:", 3), ("label:", 2), ("assign a label", 5),
    ("one of the following labels", 5), ("one of the following categories", 5), ("true or false", 2), ("toxic*", 2),
    ("intent of", 3), ("is this review", 4), ("klassifizier*", 6), ("ordne", 3), ("einordn*", 4), ("catégoris*", 6),
    ("clasific*", 6), ("classific*", 6), ("kategorisier*", 6), ("stimmung", 2),
];

const CODE: &[(&str, i64)] = &[
    ("python", 4), ("javascript", 4), ("typescript", 4), ("java", 3), ("rust", 3), ("golang", 4), ("c++", 4),
    ("c#", 4), ("kotlin", 4), ("swift", 2), ("php", 3), ("ruby", 2), ("haskell", 4), ("sql", 4), ("html", 3),
    ("css", 3), ("bash", 3), ("shell script", 4), ("powershell", 4), ("regex", 4), ("dockerfile", 4), ("docker", 2),
    ("kubernetes", 2), ("react", 2), ("django", 4), ("numpy", 4), ("pandas", 3), ("api endpoint", 3), ("code", 3),
    ("coding", 3), ("function", 2), ("a function", 3), ("method that", 2), ("class", 1), ("script", 2),
    ("algorithm", 2), ("implement*", 3), ("refactor*", 5), ("debug*", 5), ("bug", 3), ("compil*", 3),
    ("stack trace", 5), ("traceback", 5), ("exception", 2), ("segfault", 5), ("null pointer", 4), ("unit test*", 5),
    ("test case*", 2), ("pull request", 3), ("git", 2), ("commit", 1), ("npm", 3), ("pip", 2), ("cargo", 2),
    ("def", 3), ("elif", 4), ("const", 2), ("async", 2), ("await", 2), ("void", 2), ("struct", 3), ("println", 4),
    ("printf", 4), ("nullptr", 5), ("import", 2), ("#include", 5), ("assert", 2), ("programm*", 3), ("programa*", 2),
    ("código", 4), ("codice", 4), ("quellcode", 5), ("funktion", 2), ("fonction", 2), ("función", 2), ("função", 2),
    ("funzione", 2), ("schreibe ein programm", 5), ("fehlermeldung", 2),
];

const MATH: &[(&str, i64)] = &[
    ("solve", 3), ("equation*", 4), ("prove", 3), ("proof", 3), ("theorem", 4), ("lemma", 4), ("integral*", 5),
    ("derivative*", 5), ("differentia*", 3), ("calculat*", 4), ("comput*", 1), ("how many", 3), ("how much", 3),
    ("probability", 4), ("percent", 1), ("percentage", 2), ("sum of", 3), ("product of", 2), ("average", 1),
    ("square root", 4), ("triangle*", 3), ("polynomial*", 5), ("matrix", 3), ("matrices", 3), ("eigen*", 5),
    ("vector*", 2), ("modulo", 3), ("factorial", 4), ("prime number*", 4), ("remainder", 2), ("divisible", 4),
    ("fraction*", 2), ("algebra", 4), ("geometry", 3), ("calculus", 5), ("logarithm*", 4), ("in total", 2),
    ("altogether", 2), ("each day", 1), ("per hour", 1), ("twice as many", 4), ("half as many", 4),
    ("times as many", 4), ("arithmetic", 4), ("find the value", 4), ("evaluate the", 2), ("simplify", 3),
    ("how old", 2), ("how far", 2), ("berechne*", 5), ("gleichung*", 4), ("wie viele", 3), ("wie viel", 3),
    ("beweise", 4), ("löse", 3), ("wahrscheinlichkeit*", 4), ("calcul*", 4), ("équation*", 4), ("combien", 3),
    ("démontre*", 4), ("résou*", 4), ("ecuaci*", 4), ("cuánto*", 3), ("cuánta*", 3), ("resuelve", 4),
    ("equazion*", 4), ("quanti", 3), ("quante", 3), ("equação", 4), ("quantos", 3), ("quantas", 3), ("resolva", 4),
];

const REASONING: &[(&str, i64)] = &[
    ("step by step", 3), ("think carefully", 4), ("think hard", 4), ("reason about", 4), ("reasoning", 2),
    ("puzzle*", 4), ("riddle*", 5), ("logic*", 3), ("deduce*", 4), ("infer", 2), ("inference", 2), ("premise*", 4),
    ("hypothesis", 3), ("contradict*", 3), ("entail*", 4), ("trade-offs", 3), ("tradeoffs", 3), ("pros and cons", 3),
    ("root cause", 3), ("what would happen if", 4), ("most plausible", 3), ("knights and knaves", 6), ("analyze", 2),
    ("analyse", 2), ("compare and contrast", 3), ("plan for", 1), ("strategy", 1), ("is it possible that", 2),
    ("schritt für schritt", 3), ("rätsel", 5), ("schlussfolger*", 5), ("étape par étape", 3), ("énigme", 5),
    ("paso a paso", 3), ("acertijo", 5), ("passo dopo passo", 3), ("passo a passo", 3),
];

const WRITING: &[(&str, i64)] = &[
    ("essay*", 5), ("poem*", 5), ("haiku", 6), ("sonnet", 6), ("short story", 5), ("story", 3), ("stories", 2),
    ("blog post", 5), ("cover letter", 5), ("email to", 3), ("an email", 4), ("a letter", 4), ("a speech", 4),
    ("a song", 4), ("lyrics", 4), ("a tweet", 4), ("press release", 5), ("slogan*", 4), ("tagline*", 4),
    ("novel", 2), ("screenplay", 5), ("dialogue between", 3), ("draft", 3), ("rewrite", 4), ("rephrase", 4),
    ("paraphras*", 4), ("proofread*", 5), ("polish", 2), ("write a", 3), ("write an", 3), ("write me", 3),
    ("write about", 4), ("write the", 2), ("compose", 3), ("creative*", 2), ("in the style of", 3), ("tone", 1),
    ("product description", 4), ("a sentence", 2), ("sentence with", 2), ("schreib*", 3), ("gedicht*", 5),
    ("geschichte", 3), ("aufsatz", 4), ("formulier*", 4), ("anschreiben", 4), ("écri*", 3), ("rédige*", 5),
    ("poème", 5), ("escrib*", 3), ("redact*", 4), ("poema", 5), ("ensayo", 4), ("scriv*", 3), ("poesia", 5),
    ("escrev*", 3), ("redija", 5),
];

const QA: &[(&str, i64)] = &[
    ("what is", 2), ("what are", 2), ("what was", 2), ("what's", 2), ("who is", 3), ("who was", 3), ("who wrote", 3),
    ("who invented", 3), ("when was", 3), ("when did", 3), ("where is", 3), ("where was", 2),
    ("which of the following", 5), ("which", 1), ("why is", 2), ("why do", 2), ("why does", 2), ("capital of", 4),
    ("explain", 2), ("define", 3), ("definition of", 4), ("meaning of", 3), ("difference between", 3),
    ("tell me about", 2), ("how does", 2), ("how do", 1), ("answer the question", 3), ("based on the context", 4),
    ("multiple choice", 4), ("was ist", 2), ("wer ist", 3), ("wer war", 3), ("wann", 2), ("wo liegt", 3),
    ("warum", 2), ("erkläre*", 2), ("hauptstadt", 4), ("qu'est-ce", 3), ("qui est", 3), ("pourquoi", 2),
    ("quand", 1), ("capitale", 4), ("qué es", 3), ("quién", 3), ("cuándo", 2), ("dónde", 2), ("por qué", 2),
    ("cos'è", 3), ("chi è", 3), ("perché", 2), ("o que é", 3), ("quem", 2), ("onde fica", 3),
];

const CHAT: &[(&str, i64)] = &[
    ("hi", 5), ("hello", 5), ("hey", 5), ("good morning", 5), ("good evening", 5), ("thanks", 4), ("thank you", 4),
    ("how are you", 6), ("what's up", 5), ("nice to meet you", 6), ("who are you", 5), ("tell me a joke", 4),
    ("let's talk", 5), ("i feel", 3), ("bye", 4), ("good night", 5), ("hallo", 5), ("guten tag", 5),
    ("guten morgen", 5), ("danke", 4), ("wie geht", 5), ("bonjour", 5), ("salut", 5), ("merci", 4), ("ça va", 5),
    ("hola", 5), ("gracias", 4), ("cómo estás", 6), ("buenos días", 5), ("ciao", 5), ("grazie", 4), ("come stai", 6),
    ("olá", 5), ("obrigad*", 4), ("tudo bem", 5),
];

const AGENT: &[(&str, i64)] = &[
    ("use the tools", 5), ("using the tools", 5), ("call the tool", 5), ("use the tool", 5), ("browse to", 4),
    ("open the file", 3), ("run the command", 4), ("book a", 2), ("schedule a", 2), ("search the web", 4),
    ("look up", 2), ("your available tools", 5),
];

/// The same for scripts that write without spaces: any occurrence counts.
pub(super) const CHARACTERS: &[(&str, &[(&str, i64)])] = &[
    ("translate", &[
        ("翻译", 6), ("翻譯", 6), ("译成", 6), ("翻訳", 6), ("訳して", 6), ("英訳", 6), ("和訳", 6), ("번역", 6),
    ]),
    ("summarize", &[
        ("总结", 5), ("總結", 5), ("摘要", 5), ("概括", 5), ("要約", 6), ("まとめて", 4), ("요약", 6),
    ]),
    ("extract", &[
        ("提取", 5), ("抽取", 5), ("抽出", 5), ("추출", 5),
    ]),
    ("classify", &[
        ("分类", 5), ("分類", 5), ("情感分析", 6), ("感情分析", 6), ("분류", 5),
    ]),
    ("code", &[
        ("代码", 5), ("程式", 4), ("函数", 4), ("编程", 5), ("编写一个程序", 5), ("コード", 5), ("関数", 4),
        ("プログラム", 4), ("코드", 5), ("함수", 4),
    ]),
    ("math", &[
        ("方程", 5), ("计算", 4), ("多少", 3), ("证明", 4), ("概率", 4), ("計算", 4), ("方程式", 5), ("いくつ", 3),
        ("確率", 4), ("계산", 4), ("방정식", 5), ("얼마", 3),
    ]),
    ("reasoning", &[
        ("一步一步", 3), ("逐步", 3), ("推理", 4), ("谜题", 5), ("推論", 4), ("論理", 4), ("추론", 4), ("논리", 3),
    ]),
    ("writing", &[
        ("写一篇", 6), ("写一首", 6), ("写一封", 6), ("作文", 5), ("润色", 5), ("改写", 5), ("書いて", 4),
        ("써 줘", 4), ("써줘", 4), ("작성해", 4),
    ]),
    ("qa", &[
        ("什么是", 3), ("是什么", 3), ("为什么", 3), ("谁是", 3), ("とは", 2), ("なぜ", 3), ("何ですか", 3),
        ("무엇", 3), ("왜", 2), ("누구", 3),
    ]),
    ("chat", &[
        ("你好", 5), ("谢谢", 4), ("こんにちは", 5), ("ありがとう", 4), ("안녕", 5), ("감사", 4),
    ]),
];
