// The listeners of --metrics-bind and --health-bind: connections there get metrics and health answers and nothing else, so that a
// firewall can keep the public from them. Owned by the Server, on its loop's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "master/bind_address.hpp"
#include "master/config.hpp"
#include "master/http/site.hpp"
#include "master/net/listener.hpp"
#include "master/serve/error_log.hpp"
#include "master/serve/site_observer.hpp"

namespace prefork {

class AdminPort {
 public:
  using Observed = std::function<const serve::SiteObserver&()>;  // a reload makes a new one

  AdminPort(net::Loop& loop, net::DeadlineWheel& wheel, dispatch::Dispatcher& dispatcher, serve::ErrorLog& log,
            Observed observed);
  ~AdminPort();

  // A name that only one can have is its predecessor's for as long as that lives; at a port both can listen.
  enum class Which { All, Ports, Names };
  // Throws std::system_error with the address.
  void open(const Config& config, Which which);
  std::vector<std::string> files() const;  // of unix sockets
  void finish_turn();
  void close();

 private:
  class Answers;
  struct Door {
    std::unique_ptr<Answers> answers;
    std::unique_ptr<http::Site> site;
    std::unique_ptr<net::BoundSocket> socket;
    std::unique_ptr<net::Listener> listener;
  };
  void open(const BindAddress& address, bool metrics, bool health, const Config& config);

  net::Loop& loop_;
  net::DeadlineWheel& wheel_;
  dispatch::Dispatcher& dispatcher_;
  serve::ErrorLog& log_;
  Observed observed_;
  std::vector<Door> doors_;
};

}  // namespace prefork
