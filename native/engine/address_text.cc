#include "engine/address_text.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace ktop {

std::string address_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  const char* at = bytes.data();
  if (bytes.size() == 4) {
    inet_ntop(AF_INET, at, text, sizeof text);
    return text;
  }
  if (bytes.size() == 16) {
    static const char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1};
    if (std::memcmp(at, mapped, sizeof mapped) == 0) return address_text(bytes.substr(12));
    inet_ntop(AF_INET6, at, text, sizeof text);
    return text;
  }
  if (bytes.size() != sizeof(sockaddr_in6)) return "";
  sockaddr_in6 six;
  std::memcpy(&six, at, sizeof six);
  const std::string port = ":" + std::to_string(ntohs(six.sin6_port));
  if (six.sin6_family == AF_INET) return address_text(bytes.substr(4, 4)) + port;
  return six.sin6_family == AF_INET6 ? "[" + address_text(bytes.substr(8, 16)) + "]" + port : "";
}

}  // namespace ktop
