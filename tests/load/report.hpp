// The end of a run, for people or as JSON.
#pragma once

#include <string>

#include "mix.hpp"
#include "options.hpp"
#include "tally.hpp"

namespace prefork::load {

std::string json_report(const Options& options, const Mix& mix, const Tally& tally, double seconds);
std::string text_report(const Options& options, const Mix& mix, const Tally& tally, double seconds);

}  // namespace prefork::load
