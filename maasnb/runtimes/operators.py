"""The operators that an ONNX program may have, and what their results depend on."""

__all__ = [
    "AFTER_SIZES",
    "DOMAINS",
    "FIRST_ONLY",
    "FLOAT_FROM",
    "FLOAT_TYPES",
    "NEVER_FLOAT",
    "OPERATORS",
    "SIZES",
    "SIZE_ONLY",
]

OPERATORS = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool
    BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast
    CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape Conv
    ConvInteger ConvTranspose Cos Cosh CumProd CumSum DFT DeformConv DepthToSpace DequantizeLinear
    Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU
    Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
    GreaterOrEqual GridSample GroupNormalization HammingWindow HannWindow HardSigmoid HardSwish
    Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu
    Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger Max MaxPool
    MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression
    NonZero Not OneHot Or PRelu Pad Pow QLinearConv QLinearMatMul QuantizeLinear RMSNormalization
    RNN Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean
    ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign
    RotaryEmbedding Round STFT Scan Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign
    Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan
    Tanh TensorScatter ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Upsample Where Xor
    ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier
    LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble
    TreeEnsembleClassifier TreeEnsembleRegressor
    """.split()
)
"""Functions of tensors that always return the same for the same, without texts and sequences."""

DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})

# Operator -> the first input that says how large the result is.
SIZES = {
    "CenterCropPad": 1,
    "Col2Im": 1,
    "ConstantOfShape": 0,
    "DFT": 1,
    "Expand": 1,
    "BlackmanWindow": 0,
    "HammingWindow": 0,
    "HannWindow": 0,
    "MaxUnpool": 2,
    "OneHot": 1,
    "Pad": 1,
    "Range": 0,
    "Resize": 1,
    "STFT": 1,
    "Tile": 1,
    "Upsample": 1,
}
# One-hot numbers come after the depth, the value of a padding after its size.
AFTER_SIZES = {"OneHot": 2, "Pad": 2}
# What these return depends on how large something is, not on what is in it.
SIZE_ONLY = frozenset({"Shape", "Size"})

# Datatypes of onnx.proto: FLOAT, FLOAT16, DOUBLE, BFLOAT16.
FLOAT_TYPES = frozenset({1, 10, 11, 16})
# Whether a result is a floating-point number follows from the first input, with these exceptions.
FLOAT_FROM = {"CastLike": 1, "DequantizeLinear": 1, "OneHot": 2, "Where": 1}
FIRST_ONLY = frozenset({"Dropout", "MaxPool", "TopK", "Unique"})
NEVER_FLOAT = frozenset(
    """
    And ArgMax ArgMin BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor ConvInteger
    DynamicQuantizeLinear Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual MatMulInteger
    NonMaxSuppression NonZero Not Or QLinearConv QLinearMatMul QuantizeLinear Shape Size Xor
    ArrayFeatureExtractor Binarizer FeatureVectorizer LabelEncoder LinearClassifier LinearRegressor
    OneHotEncoder SVMClassifier SVMRegressor TreeEnsemble TreeEnsembleClassifier
    TreeEnsembleRegressor
    """.split()
)
"""Also those where it is not worth knowing."""
