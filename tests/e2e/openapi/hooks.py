"""What the generator cannot know: names of models that are there, what fits into their context and vocabulary, and how long
an answer that follows events would take. All else of a body goes out as it was drawn."""
import schemathesis

# Of the models in the server under test, those that can do what a route is for.
ANSWERS = {
    "m": ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses",
          "/tokenize", "/detokenize", "/v1/tokenize", "/v1/detokenize", "/v1/convert_ids_to_tokens", "/api/generate",
          "/api/chat", "/api/show"),
    "e": ("/v1/embed", "/v2/embed", "/v1/embeddings", "/api/embed", "/api/embeddings"),
    "r": ("/v1/rerank", "/rerank", "/v2/rerank", "/v1/score", "/score"),
    "l": ("/v1/classify", "/classify"),
}
MODEL_FOR = {path: model for model, paths in ANSWERS.items() for path in paths}
READS = ("/v1/models/{uid}", "/gantry/v1/models/{uid}", "/gantry/v1/models/{uid}/stats", "/gantry/v1/models/{uid}/logs",
         "/v1/models/{uid}/progress", "/gantry/v1/models/{uid}/tokenize", "/gantry/v1/models/{uid}/detokenize",
         "/gantry/v1/models/{uid}/template", "/gantry/v1/models/{uid}/touch", "/v1/models/{uid}/events")


def sometimes(text):
    """The same for the same text, so that a failure can be repeated."""
    return sum(map(ord, text)) % 4 != 0


# Where texts and ids go to a model: fields by name, each a text, an object with one, ids, or a list of these.
TO_MODELS = ("input", "texts", "query", "documents", "text_1", "text_2", "prompt", "tokens", "ids", "text")
# Models with words of their own in the path.
BY_PATH = ("/gantry/v1/models/{uid}/tokenize", "/gantry/v1/models/{uid}/detokenize", "/gantry/v1/models/{uid}/template")


def fitting(value):
    """No empty text (not every model has a token for it), none longer than a context, no id outside the vocabulary."""
    if isinstance(value, str):
        return value[:40] or "a"
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value == int(value) and value >= 0:
        return int(value) % 200
    if isinstance(value, list):
        return [fitting(item) for item in value[:64]]
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return {**value, "text": fitting(value["text"])}
    return value


def fit_body(body):
    for name in TO_MODELS:
        if name in body:
            body[name] = fitting(body[name])
    first, second = body.get("text_1"), body.get("text_2")
    if isinstance(first, list):  # one, or as many as the other has
        many = len(second) if isinstance(second, list) else 1
        body["text_1"] = first[:many] if many <= len(first) else first[:1]
    for name in ("dimensions", "output_dimension"):  # the model under test has these
        if isinstance(body.get(name), int) and not isinstance(body[name], bool) and body[name] > 0:
            body[name] = 8
    if isinstance(body.get("truncate_prompt_tokens"), int) and abs(body["truncate_prompt_tokens"]) > 500:
        body["truncate_prompt_tokens"] = -1


@schemathesis.hook
def before_call(ctx, case, kwargs):
    body = case.body
    right = case.meta is None or case.meta.generation.mode.is_positive  # what is drawn to be wrong stays wrong
    if case.path in MODEL_FOR and isinstance(body, dict):
        if isinstance(body.get("model"), str) and sometimes(body["model"]):
            body["model"] = MODEL_FOR[case.path]
        if right:
            if body.get("model") in (None, "", *ANSWERS):  # one must be named that can do it
                body["model"] = MODEL_FOR[case.path]
            fit_body(body)
    if case.path in BY_PATH and isinstance(body, dict) and right:
        if isinstance((case.path_parameters or {}).get("uid"), str) and sometimes(case.path_parameters["uid"]):
            case.path_parameters["uid"] = "m"
        fit_body(body)
    if case.path == "/gantry/v1/models/{uid}/requests/{request_id}/abort" and right:
        if isinstance((case.path_parameters or {}).get("uid"), str):  # an encoder, or an alias of one, has no such requests
            case.path_parameters["uid"] = "m" if sometimes(case.path_parameters["uid"]) else "none"
    if case.path == "/gantry/v1/models/{uid}/replace" and (case.path_parameters or {}).get("uid") in ANSWERS:
        case.path_parameters["uid"] = "gantry-demo"  # these stay what they are for
    if case.path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter") and isinstance(body, dict) and right:
        body["model"] = body.get("model") or "m"
    if isinstance(body, dict):
        # Long answers say nothing that short ones do not.
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
            if isinstance(body.get(name), int) and not isinstance(body[name], bool):
                body[name] = min(body[name], 8)
    uid = (case.path_parameters or {}).get("uid")
    if case.path in READS and case.method == "GET" and isinstance(uid, str):
        if sometimes(uid):
            case.path_parameters["uid"] = "m"
    if case.path in ("/gantry/v1/events", "/gantry/v1/models/{uid}/logs"):
        follow = (case.query or {}).get("follow")
        if follow in (None, True, "true", "1", "yes", "on"):
            case.query = {**(case.query or {}), "follow": "false"}
