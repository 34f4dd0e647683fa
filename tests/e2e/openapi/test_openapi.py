"""schemathesis over /openapi.json: every operation, all checks. What is left out has its reason here."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]
from harness import Server  # noqa: E402

EXAMPLES = os.environ.get("GANTRY_OPENAPI_EXAMPLES", "20")  # of each operation, in the phase that draws at random
CASES = int(os.environ.get("GANTRY_OPENAPI_CASES", "5000"))
SEED = os.environ.get("GANTRY_OPENAPI_SEED", "1")
KEY = "the-administrator-of-this-short-test"

# Operations that are not called.
LEFT_OUT = {
    "DELETE /v1/clusters": "stops the server",
}

# Checks that an operation cannot pass, or that have no meaning for it.
THEIRS = "Xinference answers what it does not know, or cannot do just now, with 400, and its client reads that"
FILES = "the paths, formats and options must be those of a file and of the plugin that loads it"
CHATS = ("the order of a chat's messages, the parts each role may have, the forms of an answer and what fields exclude each "
         "other depend on one another, and on the model's template")
FIELDS = "fields exclude each other (n and best_of, echo and suffix, stream and prompt_logprobs) and depend on the vocabulary"
NOT_CHECKED = {
    "positive_data_acceptance": {
        "GET /v1/model_registrations/{type}/{name}": THEIRS, "DELETE /v1/model_registrations/{type}/{name}": THEIRS,
        "DELETE /v1/models/{uid}/replicas/{replica_id}": THEIRS, "GET /v1/engines/{name}": THEIRS,
        "GET /v1/engines/{type}/{name}": THEIRS, "GET /v1/models/{uid}": THEIRS, "DELETE /v1/models/{uid}": THEIRS,
        "GET /v1/models/{uid}/reload": THEIRS, "GET /v1/models/{uid}/reload/config": THEIRS,
        "POST /v1/models/{uid}/reload": THEIRS, "POST /v1/models/{uid}/replicas": THEIRS,
        "GET /v1/requests/{id}/progress": THEIRS, "POST /v1/models/{uid}/requests/{request_id}/abort": THEIRS,
        "POST /v1/model_registrations/{type}": "the registration is a JSON text inside of a text",
        "POST /v1/models": FILES, "POST /v1/autostart/models": FILES, "POST /gantry/v1/launch/plan": FILES,
        "POST /gantry/v1/models/{uid}/replace": FILES, "POST /gantry/v1/models/{uid}/adapters": FILES,
        "POST /v1/load_lora_adapter": FILES, "POST /api/create": FILES, "POST /api/pull": FILES,
        "POST /gantry/v1/models/{uid}/prefix/save": FILES, "POST /gantry/v1/models/{uid}/prefix/restore": FILES,
        "POST /v1/chat/completions": CHATS, "POST /v1/messages": CHATS, "POST /v1/messages/count_tokens": CHATS,
        "POST /v1/responses": CHATS, "POST /api/chat": CHATS, "POST /gantry/v1/models/{uid}/template": CHATS,
        "POST /tokenize": CHATS, "POST /v1/tokenize": CHATS,
        "POST /v1/completions": FIELDS, "POST /api/generate": FIELDS,
    },
}

# Statuses from 500 on that are no fault: each is documented where it may occur, which another check sees to.
NO_FAULT = {501: "the model's plugin cannot do this", 503: "the model is not there just now", 507: "it does not fit"}


def configuration(document):
    known = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    # Not by the option --checks, which would turn every check on again.
    lines = ["[checks]", "enabled = true", "", "[checks.not_a_server_error]",
             f'expected-statuses = ["2xx", "3xx", "4xx", {", ".join(map(str, NO_FAULT))}]', ""]
    for check, operations in NOT_CHECKED.items():
        for operation in operations:
            assert operation in known, f"{operation} is exempt, but is no operation"
            lines += ["[[operations]]", f'include-name = "{operation}"', f"checks.{check}.enabled = false", ""]
    return "\n".join(lines)


def test_the_document_is_true(tmp_path):
    if subprocess.run([sys.executable, "-c", "import schemathesis"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("schemathesis is not installed: tests/requirements-long.txt has it")
    with Server("--set", "auth.mode=on", GANTRY_AUTH_ADMIN_KEY=KEY) as server:
        server.headers = {"Authorization": f"Bearer {KEY}"}
        for uid, options in (("m", {}), ("e", {"embed_width": "8"}), ("r", {"score_width": "1"}),
                             ("l", {"score_width": "3"})):
            server.launch(uid, engine="null", engine_options=options, context_length=512)
        document = server.call("GET", "/openapi.json").json
        (tmp_path / "schemathesis.toml").write_text(configuration(document))
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml"),
                   "--no-color", "run",
                   server.url + "/openapi.json", "-H", f"Authorization: Bearer {KEY}", "--seed", SEED,
                   "-n", EXAMPLES, "--phases", "examples,coverage,fuzzing", "--continue-on-failure",
                   "--request-timeout", "20", "--suppress-health-check", "all"]
        for operation in LEFT_OUT:
            command += ["--exclude-name", operation]
        run = subprocess.run(command, env=dict(os.environ, SCHEMATHESIS_HOOKS="hooks",
                                               PYTHONPATH=str(pathlib.Path(__file__).parent)),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path)
        print(run.stdout)
        assert server.process.poll() is None, "the server ended"
        assert server.call("GET", "/healthz").status == 200
        cases = re.search(r"([\d,]+) generated", run.stdout)
        assert cases, "the tool says nothing of its cases"
        assert int(cases[1].replace(",", "")) >= CASES
        assert run.returncode == 0, run.stdout[-3000:]


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__, "-x", "-q", "-s"]))
