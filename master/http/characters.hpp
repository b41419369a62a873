// The characters of names and values by their short names: the parsers and writers of this folder use little else.
#pragma once

#include "shm/wire/characters.hpp"

namespace prefork::http {

using wire::for_each_member;
using wire::hex_digit;
using wire::is_blank;
using wire::is_token;
using wire::is_token_char;
using wire::is_value_char;
using wire::lower;
using wire::lowered;
using wire::same_letters;
using wire::same_name;
using wire::trim;

}  // namespace prefork::http
