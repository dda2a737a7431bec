// DiffAugment's CUDA kernels in the emulator, against the definition followed step by step in double.
//
//   diff_augment_kernels [cases [largest side]]
//
// Buffers end where the data end, so that AddressSanitizer sees every overrun. Under ThreadSanitizer few cases of
// small images are enough: it finds races whatever the values.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "cases.h"
#include "cuda/diff_augment.h"
#include "cuda/gpu.h"
#include "cuda/pack.cuh"

namespace {

using pspgan::cuda::DiffAugment;
using pspgan::cuda::Real;
using pspgan::cuda::Type;
using pspgan::cuda::vector_size;

// One image as (channel, y, x), and what was drawn for it.
struct Image {
  int64_t channels, height, width;
  std::vector<double> pixels;

  double& at(int64_t c, int64_t y, int64_t x) { return pixels[(c * height + y) * width + x]; }
  bool inside(int64_t y, int64_t x) const { return y >= 0 && y < height && x >= 0 && x < width; }
};

struct Draw {
  std::optional<double> brightness, saturation, contrast;
  std::optional<std::vector<int64_t>> translation, cutout;

  bool cut(int64_t y, int64_t x) const {
    return cutout && y >= (*cutout)[0] && y < (*cutout)[1] && x >= (*cutout)[2] && x < (*cutout)[3];
  }
};

// Linear parts of the color operations: each is its own transpose.
void colorize(Image& image, const Draw& draw) {
  if (draw.saturation) {
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t x = 0; x < image.width; ++x) {
        double grey = 0;
        for (int64_t c = 0; c < image.channels; ++c) {
          grey += image.at(c, y, x) / image.channels;
        }
        for (int64_t c = 0; c < image.channels; ++c) {
          image.at(c, y, x) = (image.at(c, y, x) - grey) * *draw.saturation + grey;
        }
      }
    }
  }
  if (draw.contrast) {
    double level = 0;
    for (const double pixel : image.pixels) {
      level += pixel / image.pixels.size();
    }
    for (double& pixel : image.pixels) {
      pixel = (pixel - level) * *draw.contrast + level;
    }
  }
}

Image forward(Image image, const Draw& draw) {
  for (double& pixel : image.pixels) {
    pixel += draw.brightness.value_or(0);
  }
  colorize(image, draw);
  Image out = image;
  const int64_t down = draw.translation ? (*draw.translation)[0] : 0, right = draw.translation ? (*draw.translation)[1] : 0;
  for (int64_t c = 0; c < image.channels; ++c) {
    for (int64_t y = 0; y < image.height; ++y) {
      for (int64_t x = 0; x < image.width; ++x) {
        const bool shown = image.inside(y + down, x + right) && !draw.cut(y, x);
        out.at(c, y, x) = shown ? image.at(c, y + down, x + right) : 0;
      }
    }
  }
  return out;
}

Image backward(Image grad_out, const Draw& draw) {
  Image grad = grad_out;
  std::fill(grad.pixels.begin(), grad.pixels.end(), 0);
  const int64_t down = draw.translation ? (*draw.translation)[0] : 0, right = draw.translation ? (*draw.translation)[1] : 0;
  for (int64_t c = 0; c < grad.channels; ++c) {
    for (int64_t y = 0; y < grad.height; ++y) {
      for (int64_t x = 0; x < grad.width; ++x) {
        if (grad.inside(y + down, x + right) && !draw.cut(y, x)) {
          grad.at(c, y + down, x + right) += grad_out.at(c, y, x);
        }
      }
    }
  }
  colorize(grad, draw);
  return grad;
}

Draw random_draw(Random& random, const Image& image, bool may_color) {
  const auto perhaps = [&] { return integer(random, 0, 3) != 0; };
  Draw draw;
  if (may_color && perhaps()) draw.brightness = real(random, -0.5, 0.5);
  if (may_color && perhaps()) draw.saturation = real(random, 0, 2);
  if (may_color && perhaps()) draw.contrast = real(random, 0.5, 1.5);
  if (perhaps()) {
    const int64_t reach = integer(random, 0, 3) == 0 ? image.height + image.width : 4;
    draw.translation = {integer(random, -reach, reach), integer(random, -reach, reach)};
  }
  if (perhaps()) {
    const int64_t top = integer(random, -3, image.height), left = integer(random, -3, image.width);
    draw.cutout = {top, top + integer(random, -2, image.height), left, left + integer(random, -2, image.width)};
  }
  return draw;
}

// The draws of a batch as the launchers take them.
template <typename R>
struct Draws {
  std::vector<R> brightness, saturation, contrast;
  std::vector<int64_t> translation, cutout;

  void add(const Draw& draw) {
    if (draw.brightness) brightness.push_back(static_cast<R>(*draw.brightness));
    if (draw.saturation) saturation.push_back(static_cast<R>(*draw.saturation));
    if (draw.contrast) contrast.push_back(static_cast<R>(*draw.contrast));
    if (draw.translation) translation.insert(translation.end(), draw.translation->begin(), draw.translation->end());
    if (draw.cutout) cutout.insert(cutout.end(), draw.cutout->begin(), draw.cutout->end());
  }

  template <typename Element>
  static const Element* pointer(const std::vector<Element>& draws) {
    return draws.empty() ? nullptr : draws.data();
  }

  DiffAugment call(Type type, int64_t batch, const Image& image, bool channels_last) const {
    return {type, pointer(brightness), pointer(saturation), pointer(contrast), pointer(translation), pointer(cutout),
            batch, image.channels, image.height, image.width, channels_last};
  }
};

template <typename T>
void check_case(uint64_t seed, int64_t largest_side) {
  Random random(seed);
  const int64_t batch = integer(random, 1, 3);
  Image image{integer(random, 0, 1) ? 1 : integer(random, 2, 6), integer(random, 1, largest_side), 0, {}};
  // Half of the rows are whole vectors.
  image.width = integer(random, 0, 1) ? integer(random, 1, largest_side)
                                      : vector_size<T> * integer(random, 1, std::max<int64_t>(1, largest_side / vector_size<T>));
  if (integer(random, 0, 15) == 0) {  // rows longer than a tile holds
    image.height = integer(random, 1, 3);
    image.width = 64 * largest_side + vector_size<T> * integer(random, 0, 40);
  } else if (integer(random, 0, 15) == 0) {  // more channels than a tile holds
    image.channels = integer(random, 0, 1) ? 600 : pspgan::cuda::most_channels_last;
    image.height = std::min<int64_t>(image.height, 3);
    image.width = std::min<int64_t>(image.width, 2 * vector_size<T>);
  }
  const bool channels_last = integer(random, 0, 1);
  const int64_t elements = image.channels * image.height * image.width;
  const int64_t skipped = integer(random, 0, 3) == 0;
  image.pixels.resize(elements);

  const bool as_drawn = integer(random, 0, 3) != 0;
  std::vector<Draw> drawn{random_draw(random, image, as_drawn)};
  while (static_cast<int64_t>(drawn.size()) < batch) {  // what is drawn is drawn for all
    Draw draw = random_draw(random, image, as_drawn);
    const auto like_first = [&](auto& operation, const auto& first) {
      if (!operation || !first) operation = first;
    };
    like_first(draw.brightness, drawn[0].brightness);
    like_first(draw.saturation, drawn[0].saturation);
    like_first(draw.contrast, drawn[0].contrast);
    like_first(draw.translation, drawn[0].translation);
    like_first(draw.cutout, drawn[0].cutout);
    drawn.push_back(draw);
  }
  Draws<Real<T>> draws;
  for (Draw& draw : drawn) {
    if (draw.brightness) draw.brightness = static_cast<Real<T>>(*draw.brightness);
    draws.add(draw);
  }

  const auto place = [&](int64_t b, int64_t c, int64_t y, int64_t x) {
    return b * elements + (channels_last ? (y * image.width + x) * image.channels + c : (c * image.height + y) * image.width + x);
  };
  Buffer<T> in(batch * elements, skipped), out(batch * elements, skipped);
  std::vector<Image> images(batch, image);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t c = 0; c < image.channels; ++c) {
      for (int64_t y = 0; y < image.height; ++y) {
        for (int64_t x = 0; x < image.width; ++x) {
          const T value = pspgan::cuda::from_real<T>(static_cast<Real<T>>(real(random, -1, 1)));
          in.data[place(b, c, y, x)] = value;
          images[b].at(c, y, x) = pspgan::cuda::to_real(value);
        }
      }
    }
  }

  const DiffAugment call = draws.call(type_of<T>, batch, image, channels_last);
  std::vector<Real<T>> scratch(pspgan::cuda::diff_augment_scratch(call));
  simt::config().seed = seed;
  simt::config().shuffle = seed % 4 != 0;
  for (const bool is_backward : {false, true}) {
    const auto launch = is_backward ? pspgan::cuda::diff_augment_backward : pspgan::cuda::diff_augment;
    const int error = launch(call, in.data, out.data, scratch.data(), nullptr);
    double worst = error == cudaSuccess ? 0 : INFINITY;
    for (int64_t b = 0; b < batch; ++b) {
      Image expected = is_backward ? backward(images[b], drawn[b]) : forward(images[b], drawn[b]);
      for (int64_t c = 0; c < image.channels; ++c) {
        for (int64_t y = 0; y < image.height; ++y) {
          for (int64_t x = 0; x < image.width; ++x) {
            const double difference = std::fabs(pspgan::cuda::to_real(out.data[place(b, c, y, x)]) - expected.at(c, y, x));
            worst = difference <= worst ? worst : difference;  // NaN becomes the worst
          }
        }
      }
    }
    if (!(worst <= tolerance<T>)) {
      std::fprintf(stderr, "FAILED: case %llu, %s: %zu bytes, %lld x %lld x %lld x %lld%s: off by %g\n",
                   static_cast<unsigned long long>(seed), is_backward ? "backward" : "forward", sizeof(T),
                   static_cast<long long>(batch), static_cast<long long>(image.channels),
                   static_cast<long long>(image.height), static_cast<long long>(image.width),
                   channels_last ? ", channels last" : "", worst);
      ++failures;
    }
  }
}

// A batch of more than 2^31 elements, of which memory has the pages that are touched: its last image only.
void check_beyond_32_bits(int64_t channels, bool channels_last) {
  constexpr int64_t side = 32;
  const int64_t elements = channels * side * side, batch = (int64_t{1} << 31) / elements + 7;
  LazyBuffer<float> in(batch * elements), out(batch * elements);
  Image image{channels, side, side, std::vector<double>(elements)};
  const auto place = [&](int64_t i) {  // of the image's number i, planes one after the other
    const int64_t in_plane = i % (side * side), channel = i / (side * side);
    return (batch - 1) * elements + (channels_last ? in_plane * channels + channel : i);
  };
  for (int64_t i = 0; i < elements; ++i) {
    image.pixels[i] = in.data[place(i)] = static_cast<float>(i % 13);
  }
  Draws<float> draws;
  draws.saturation.assign(batch, 1.5f);
  draws.contrast.assign(batch, 0.5f);
  Draw draw;
  draw.saturation = 1.5;
  draw.contrast = 0.5;
  const DiffAugment call = draws.call(Type::float32, batch, image, channels_last);
  std::vector<float> scratch(pspgan::cuda::diff_augment_scratch(call));
  simt::config().first_block = batch - 1;  // a block an image, in both kernels
  for (const bool is_backward : {false, true}) {
    const auto launch = is_backward ? pspgan::cuda::diff_augment_backward : pspgan::cuda::diff_augment;
    const int error = launch(call, in.data, out.data, scratch.data(), nullptr);
    const Image expected = is_backward ? backward(image, draw) : forward(image, draw);
    double worst = error == cudaSuccess ? 0 : INFINITY;
    for (int64_t i = 0; i < elements; ++i) {
      const double difference = std::fabs(out.data[place(i)] - expected.pixels[i]);
      worst = difference <= worst ? worst : difference;  // NaN becomes the worst
    }
    if (!(worst <= 1e-4)) {
      std::fprintf(stderr, "FAILED: beyond 2^31 elements, %s: off by %g\n", is_backward ? "backward" : "forward", worst);
      ++failures;
    }
  }
  simt::config().first_block = 0;
}

}  // namespace

int main(int n, char** arguments) {
  const int64_t cases = check_cases(
      n, arguments, 90, []<typename T>(uint64_t seed, int64_t size) { check_case<T>(seed, size); });
  check_beyond_32_bits(1, false);
  check_beyond_32_bits(3, false);
  check_beyond_32_bits(3, true);
  return conclude(cases);
}
