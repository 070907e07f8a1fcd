// Network addresses as they lie in events.
#pragma once
#include <string>
#include <string_view>

namespace ktop {

// 4 bytes: "10.0.0.1"; 16 bytes: "fe80::1", or as above when an IPv4 address is mapped into it; 28 bytes, a sockaddr:
// with its port, "10.0.0.1:80", "[::1]:80". "" for anything else.
std::string address_text(std::string_view bytes);

}  // namespace ktop
