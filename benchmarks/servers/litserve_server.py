"""The same ONNX program in LitServe, with its defaults."""

import sys

import litserve
import numpy as np
import onnxruntime


class OnnxAPI(litserve.LitAPI):
    """An ONNX program with one input and one output."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's
        """Load the program."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(sys.argv[3])
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            sys.argv[2], options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name

    def decode_request(self, request: dict) -> np.ndarray:
        """Return the array of a request of the Open Inference Protocol."""
        tensor = request["inputs"][0]
        return np.array(tensor["data"], np.float32).reshape(tensor["shape"])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Run the program."""
        return self.session.run(None, {self.input: x})[0]

    def encode_response(self, output: np.ndarray) -> dict:
        """Return the answer."""
        return {
            "outputs": [
                {"name": "probabilities", "shape": output.shape, "data": output.ravel().tolist()}
            ]
        }


if __name__ == "__main__":
    server = litserve.LitServer(OnnxAPI(api_path="/v2/models/mlp/infer"), accelerator="cpu")
    server.run(
        port=int(sys.argv[1]), host="127.0.0.1", log_level="warning", generate_client_file=False
    )
