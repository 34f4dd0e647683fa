"""What the generator cannot know: names of models that are there, and how long an answer that follows events would take."""
import schemathesis

# Of the models in the server under test, those that can do what a route is for.
ANSWERS = {
    "m": ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses",
          "/tokenize", "/detokenize", "/v1/tokenize", "/v1/detokenize", "/v1/convert_ids_to_tokens", "/api/generate",
          "/api/chat", "/api/show"),
    "e": ("/v1/embeddings", "/api/embed", "/api/embeddings"),
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


@schemathesis.hook
def before_call(ctx, case, kwargs):
    body = case.body
    if case.path in MODEL_FOR and isinstance(body, dict) and isinstance(body.get("model"), str):
        if sometimes(body["model"]):
            body["model"] = MODEL_FOR[case.path]
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
