#include "ops/attributes.hpp"

namespace pleat::ops {

template <AnOp Op>
Attributes::Attributes(Op op) : AnyOp(std::in_place_type<Op>, std::move(op)) {}

template Attributes::Attributes(Linear);
template Attributes::Attributes(LinearInputGradient);
template Attributes::Attributes(LinearWeightGradient);
template Attributes::Attributes(BiasGradient);
template Attributes::Attributes(Conv);
template Attributes::Attributes(ConvTranspose);
template Attributes::Attributes(ConvInputGradient);
template Attributes::Attributes(ConvWeightGradient);
template Attributes::Attributes(BatchNorm);
template Attributes::Attributes(BatchNormGradient);
template Attributes::Attributes(BatchNormRecompute);
template Attributes::Attributes(ScaleShift);
template Attributes::Attributes(Activate);
template Attributes::Attributes(ActivateGradient);
template Attributes::Attributes(Unary);
template Attributes::Attributes(UnaryGradient);
template Attributes::Attributes(Binary);
template Attributes::Attributes(BinaryGradient);
template Attributes::Attributes(Where);
template Attributes::Attributes(Cast);
template Attributes::Attributes(SumTo);
template Attributes::Attributes(Reduce);
template Attributes::Attributes(ReduceGradient);
template Attributes::Attributes(ArgReduce);
template Attributes::Attributes(LayerNorm);
template Attributes::Attributes(LayerNormGradient);
template Attributes::Attributes(LocalResponseNorm);
template Attributes::Attributes(LocalResponseNormGradient);
template Attributes::Attributes(MatMul);
template Attributes::Attributes(MatMulGradient);
template Attributes::Attributes(Einsum);
template Attributes::Attributes(Add);
template Attributes::Attributes(Concat);
template Attributes::Attributes(Slice);
template Attributes::Attributes(SliceGradient);
template Attributes::Attributes(Flatten);
template Attributes::Attributes(ReshapeLike);
template Attributes::Attributes(Reshape);
template Attributes::Attributes(Squeeze);
template Attributes::Attributes(Unsqueeze);
template Attributes::Attributes(Transpose);
template Attributes::Attributes(Expand);
template Attributes::Attributes(Tile);
template Attributes::Attributes(TileGradient);
template Attributes::Attributes(StridedSlice);
template Attributes::Attributes(StridedSliceGradient);
template Attributes::Attributes(Split);
template Attributes::Attributes(GatherChannels);
template Attributes::Attributes(Gather);
template Attributes::Attributes(GatherGradient);
template Attributes::Attributes(Pad);
template Attributes::Attributes(PadGradient);
template Attributes::Attributes(Resize);
template Attributes::Attributes(ResizeGradient);
template Attributes::Attributes(ShapeOf);
template Attributes::Attributes(SizeOf);
template Attributes::Attributes(FillShape);
template Attributes::Attributes(Range);
template Attributes::Attributes(DepthToSpace);
template Attributes::Attributes(SpaceToDepth);
template Attributes::Attributes(UnfoldDepth);
template Attributes::Attributes(FoldDepth);
template Attributes::Attributes(Dropout);
template Attributes::Attributes(DropoutGradient);
template Attributes::Attributes(MaxPool);
template Attributes::Attributes(MaxPoolGradient);
template Attributes::Attributes(AvgPool);
template Attributes::Attributes(AvgPoolGradient);
template Attributes::Attributes(GlobalAvgPool);
template Attributes::Attributes(GlobalAvgPoolGradient);
template Attributes::Attributes(ConvChannelsLast);
template Attributes::Attributes(ExpandDepthwiseChannelsLast);
template Attributes::Attributes(ConvChannelsLastInputGradient);
template Attributes::Attributes(ConvChannelsLastWeightGradient);
template Attributes::Attributes(ConcatScaleShiftChannelsLast);
template Attributes::Attributes(MaxPoolChannelsLast);
template Attributes::Attributes(MaxPoolChannelsLastGradient);
template Attributes::Attributes(AvgPoolChannelsLast);
template Attributes::Attributes(AvgPoolChannelsLastGradient);
template Attributes::Attributes(GlobalAvgPoolChannelsLast);
template Attributes::Attributes(GlobalAvgPoolChannelsLastGradient);
template Attributes::Attributes(Softmax);
template Attributes::Attributes(SoftmaxGradient);
template Attributes::Attributes(CrossEntropy);
template Attributes::Attributes(CrossEntropyGradient);
template Attributes::Attributes(MeanSquaredError);
template Attributes::Attributes(MeanSquaredErrorGradient);
template Attributes::Attributes(Fill);
template Attributes::Attributes(ClipGradNorm);
template Attributes::Attributes(SgdUpdate);
template Attributes::Attributes(AdamUpdate);

Attributes::Attributes(const Attributes&) = default;
Attributes::Attributes(Attributes&&) noexcept = default;
Attributes& Attributes::operator=(const Attributes&) = default;
Attributes& Attributes::operator=(Attributes&&) noexcept = default;
Attributes::~Attributes() = default;

}  // namespace pleat::ops
