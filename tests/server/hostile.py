"""Uploads made to harm: programs, archives and pickles, each built from scratch."""

import io
import os
import pickle
import zipfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from maasnb.artifacts.blobs import digest_of
from tests.small_runs import small_artifact

__all__ = ["archives", "crafted_manifest", "onnx_program", "pickles", "programs", "store"]

node = helper.make_node
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def stored(name, values, dtype=np.int64):
    """Return a tensor that is kept in a program."""
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def onnx_program(nodes, tensors=(), **more):
    """Return an ONNX program from `inputs` [n, 64] to `probabilities` [n, ...]."""
    given = helper.make_tensor_value_info("inputs", FLOAT, ["n", 64])
    returned = helper.make_tensor_value_info("probabilities", FLOAT, None)
    graph = helper.make_graph(nodes, "graph", [given], [returned], list(tensors))
    opsets = [helper.make_opsetid("", 20)]
    opsets += [helper.make_opsetid(domain, 1) for domain in more.pop("domains", ())]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)
    return model.SerializeToString()


def outside(location):
    """Return a program whose weights are in another file."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[64])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return onnx_program([node("Add", ["inputs", "w"], ["probabilities"])], [tensor])


def summed(*nodes_before, tensors=()):
    """Return a program that adds the sum of the tensor `bomb` to its inputs."""
    nodes = [*nodes_before, node("ReduceSum", ["bomb"], ["s"], keepdims=0)]
    nodes.append(node("Add", ["inputs", "s"], ["probabilities"]))
    return onnx_program(nodes, tensors)


def of_shape(size):
    shape = stored("shape", [size])
    return summed(node("ConstantOfShape", ["shape"], ["bomb"]), tensors=[shape])


def tiled():
    repeats = stored("repeats", [1, 1 << 30])
    return summed(node("Tile", ["inputs", "repeats"], ["bomb"]), tensors=[repeats])


def doubled(times):
    """Return a program of few nodes whose tensors double at each of them."""
    nodes = [
        node("Concat", [f"t{i}" if i else "inputs"] * 2, [f"t{i + 1}"], axis=1)
        for i in range(times)
    ]
    return summed(*nodes, node("Identity", [f"t{times}"], ["bomb"]))


def of_requested_size():
    """Return a program that is small on golden pairs and huge where a request says so."""
    return summed(
        node("ReduceMax", ["inputs"], ["largest"], keepdims=0),
        node("Cast", ["largest"], ["whole"], to=INT64),
        node("Reshape", ["whole", "one"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["bomb"]),
        tensors=[stored("one", [1])],
    )


def endless():
    """Return a program with a loop that never ends."""
    scalar = {"i": INT64, "go": TensorProto.BOOL, "again": TensorProto.BOOL}
    given = [helper.make_tensor_value_info(name, scalar[name], []) for name in ("i", "go")]
    given.append(helper.make_tensor_value_info("v", FLOAT, None))
    returned = [helper.make_tensor_value_info("again", TensorProto.BOOL, [])]
    returned.append(helper.make_tensor_value_info("w", FLOAT, None))
    nodes = [node("Identity", ["go"], ["again"]), node("Relu", ["v"], ["w"])]
    body = helper.make_graph(nodes, "body", given, returned)
    loop = node("Loop", ["", "true", "inputs"], ["probabilities"], body=body)
    return onnx_program([loop], [stored("true", True, np.bool_)])


def nested(depth):
    """Return a program with a branch in a branch in a branch, so many deep."""
    returned = helper.make_tensor_value_info("out0", FLOAT, None)
    graph = helper.make_graph([node("Identity", ["inputs"], ["out0"])], "g0", [], [returned])
    for level in range(1, depth + 1):
        name = f"out{level}"
        branch = node("If", ["true"], [name], then_branch=graph, else_branch=graph)
        returned = helper.make_tensor_value_info(name, FLOAT, None)
        # Half of each level only, or the bytes would double.
        del branch.attribute[1].g.node[:]
        graph = helper.make_graph([branch], f"g{level}", [], [returned])
    last = node("Identity", [f"out{depth}"], ["probabilities"])
    return onnx_program([*graph.node, last], [stored("true", True, np.bool_)])


def field(number, content):
    """Return a field of a protobuf message, for messages that no library would write."""
    size, length = len(content), b""
    while True:
        size, low = size >> 7, size & 127
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([number << 3 | 2]) + length + content


def bottomless(depth):
    """Return the bytes of a graph in a node of a graph in a node, so many deep."""
    graph = b""
    for _ in range(depth):
        graph = field(1, field(4, b"If") + field(5, field(6, graph)))
    return field(7, graph)


def chain(count):
    """Return a program of so many nodes."""
    names = ["inputs", *(f"t{i}" for i in range(count - 1)), "probabilities"]
    return onnx_program([node("Relu", [names[i]], [names[i + 1]]) for i in range(count)])


def laughing(levels):
    """Return a program with functions that each call the one before twice, so many deep."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    functions = []
    for level in range(levels):
        called = {"op_type": f"F{level - 1}", "domain": "own"} if level else {"op_type": "Relu"}
        nodes = [helper.make_node(inputs=[a], outputs=[b], **called) for a, b in ("xm", "my")]
        functions.append(helper.make_function("own", f"F{level}", ["x"], ["y"], nodes, opsets))
    call = node(f"F{levels - 1}", ["inputs"], ["probabilities"], domain="own")
    return onnx_program([call], domains=["own"], functions=functions)


def lying_tensor():
    """Return a program with a tensor that says it has 10^9 numbers and holds none."""
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[10**9])
    return onnx_program([node("Add", ["inputs", "w"], ["probabilities"])], [tensor])


def sparse_tensor():
    """Return a program with two numbers that stand for 10^12."""
    values = helper.make_sparse_tensor(
        stored("w", [1.0, 2.0], np.float32), stored("i", [0, 1]), [10**12]
    )
    graph = helper.make_graph([node("ReduceSum", ["w"], ["bomb"])], "g", [], [])
    graph.sparse_initializer.append(values)
    graph.input.append(helper.make_tensor_value_info("inputs", FLOAT, ["n", 64]))
    graph.output.append(helper.make_tensor_value_info("bomb", FLOAT, None))
    return helper.make_model(graph, ir_version=10).SerializeToString()


def smallest_divided():
    """Return a program that divides -2**63 by what a request says; by -1 it ends the process."""
    nodes = [
        node("Cast", ["inputs"], ["whole"], to=INT64),
        node("Div", ["smallest", "whole"], ["quotient"]),
        node("Cast", ["quotient"], ["probabilities"], to=FLOAT),
    ]
    return onnx_program(nodes, [stored("smallest", [-(2**63)])])


def disordered():
    """Return a program whose nodes stand before those that they need, to hide what these need."""
    nodes = [
        node("ConstantOfShape", ["shape"], ["bomb"]),
        node("ReduceSum", ["bomb"], ["s"], keepdims=0),
        node("Add", ["inputs", "s"], ["probabilities"]),
        node("Cast", ["inputs"], ["whole"], to=INT64),
        node("Reshape", ["whole", "flat"], ["shape"]),
    ]
    return onnx_program(nodes, [stored("flat", [-1])])


def own_format(folder):
    """Return a program in onnxruntime's own format, which no protobuf reader can look into."""
    path = os.path.join(folder, "program.ort")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = path
    options.add_session_config_entry("session.save_model_format", "ORT")
    content = onnx_program([node("Relu", ["inputs"], ["probabilities"])])
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    with open(path, "rb") as file:
        return file.read()


def programs(folder):
    """Return hostile programs by name, each with words of the refusal."""
    relu = onnx_program([node("Relu", ["inputs"], ["probabilities"])])
    assert onnx.load_from_string(relu)
    files = "keeps numbers in other files"
    evil = node("Evil", ["inputs"], ["probabilities"], domain="evil")
    fused = node("FusedGemm", ["inputs", "w"], ["probabilities"], domain="com.microsoft")
    return {
        "a file above": (outside("../../token"), files),
        "a file by its full path": (outside("/etc/passwd"), files),
        "a file beside": (outside("token"), files),
        "memory of the process": (outside("*/_ORT_MEM_ADDR_/*"), files),
        "a custom operator": (onnx_program([evil], domains=["evil"]), "operator 'evil.Evil'"),
        "an operator of onnxruntime alone": (
            onnx_program([fused], [stored("w", np.eye(64), np.float32)], domains=["com.microsoft"]),
            "operator 'com.microsoft.FusedGemm'",
        ),
        "functions that multiply": (laughing(40), "has functions of its own"),
        "a huge constant": (of_shape(1 << 40), "fails on its own golden|cannot load"),
        "a constant of 8 GB": (of_shape(1 << 31), "fails on its own golden|cannot load"),
        "a negative size": (of_shape(-5), "fails on its own golden|cannot load"),
        "a huge repetition": (tiled(), "fails on its own golden|cannot load"),
        "a repetition of repetitions": (doubled(40), "fails on its own golden|cannot load"),
        "a size from the request": (of_requested_size(), "from the numbers of a request"),
        "nodes out of order": (disordered(), "uses a name before its node"),
        "an endless loop": (endless(), "within 15 seconds"),
        "too many nodes": (chain(200_000), "more than 20000 nodes"),
        "branches in branches": (nested(17), "nested more than 16 deep"),
        "branches that fill the stack": (bottomless(100_000), "cannot be read as ONNX"),
        "a tensor that lies about its size": (lying_tensor(), "cannot load the program"),
        "a sparse tensor": (sparse_tensor(), "has sparse tensors"),
        "a division that ends the process": (smallest_divided(), "divides whole numbers"),
        "the format of onnxruntime": (own_format(folder), "cannot be read as ONNX|cannot load"),
        "a program cut off": (relu[:-20], "cannot be read as ONNX|cannot load"),
        "no bytes": (b"", "cannot be read as ONNX"),
    }


class Opened:
    """An object that writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def pickles(marker):
    """Return pickles that make the folder `marker` when somebody opens them."""
    content = pickle.dumps(Opened(marker))
    array = io.BytesIO()
    np.save(array, np.array([Opened(marker)], dtype=object), allow_pickle=True)
    return {"pickle": content, "numpy": array.getvalue()}


def archives(marker):
    """Return archives with a pickle or a library inside, named as other tools name them."""
    opened = pickle.dumps(Opened(marker))
    members = {
        "pt2": {
            "archive/data.pkl": opened,
            "archive/archive_format": b"pt2",
            "archive/models/model.json": b'{"use_pickle": true}',
            "archive/data/weights/weight_0": opened,
        },
        "torch": {"model/data.pkl": opened, "model/version": b"3"},
        "aoti": {"archive/data/aotinductor/model/model.so": b"\x7fELF" + bytes(100)},
        "climbing": {"../../../token": b"0" * 43},
    }
    made = {}
    for name, files in members.items():
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, inside in files.items():
                archive.writestr(path, inside)
        made[name] = content.getvalue()
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(64 << 20))
    return {**made, "bomb": bomb.getvalue()}


def store(http, *contents):
    """Store blobs on a server."""
    for content in contents:
        answer = http.put(f"/maas/v1/blobs/{digest_of(content)}", content=content)
        assert answer.status_code < 300, answer.text


def crafted_manifest(http, name="crafted", **blobs):
    """Store the small artifact with some blobs replaced; return its manifest as JSON data.

    Args:
        http: a client of the server.
        name: the name that the manifest is for.
        blobs: new bytes by part: `program`, `weights` or `golden`.
    """
    artifact = small_artifact()
    data = artifact.manifest.to_json()
    data["name"] = name
    for part, content in blobs.items():
        place = data["programs"][0] if part == "program" else data[part]
        place.update(digest=digest_of(content), size_bytes=len(content))
    store(http, *artifact.blobs.values(), *blobs.values())
    return data
