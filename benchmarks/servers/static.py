"""Answers every request with the same JSON, on the same uvicorn: what no server there can beat."""

import sys

import uvicorn

BODY = (
    b'{"model_name":"mlp","model_version":"1","outputs":[{"name":"probabilities","datatype":"FP32",'
    b'"shape":[1,4],"data":[0.25,0.25,0.25,0.25]}]}'
)
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}


async def answer(scope: dict, receive, send) -> None:  # noqa: ANN001 - ASGI's
    """Read the request and answer."""
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        answer,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
