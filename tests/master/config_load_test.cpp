#include "master/config_load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "master/config_sources.hpp"

namespace prefork {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Each test works in an empty directory of its own, as configuration files are looked for there.
class ConfigLoad : public testing::Test {
 protected:
  ConfigLoad() : before_(std::filesystem::current_path()) {
    char name[] = "/tmp/prefork-config-XXXXXX";
    directory_ = mkdtemp(name);
    std::filesystem::current_path(directory_);
    environment_ = {{"PATH", current_environment()["PATH"]}, {"HOME", directory_}};
  }
  ~ConfigLoad() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(directory_);
  }

  CommandLine load(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "prefork");
    return load_config(static_cast<int>(arguments.size()), arguments.data(), environment_);
  }

  // "EXIT_CODE LINE" of the refusal, "" when there is none.
  std::string refusal(const std::vector<const char*>& arguments) {
    try {
      (void)load(arguments);
    } catch (const ConfigError& error) {
      return std::to_string(error.exit_code()) + " " + error.what();
    }
    return {};
  }

  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ + "/" + name) << text; }

  static bool has_notice(const CommandLine& line, Notice::Level level, const std::string& part) {
    for (const Notice& notice : line.notices)
      if (notice.level == level && notice.text.find(part) != std::string::npos) return true;
    return false;
  }

  std::filesystem::path before_;
  std::string directory_;
  Environment environment_;
};

TEST_F(ConfigLoad, DefaultsServeTheDemonstrationPage) {
  const CommandLine line = load({});
  EXPECT_EQ(line.action, CommandLine::Action::Serve);
  EXPECT_EQ(line.config.app, "");
  EXPECT_EQ(line.config.chdir, directory_);
  ASSERT_EQ(line.config.bind_addresses.size(), 1u);
  EXPECT_EQ(line.config.bind_addresses[0].text(), "127.0.0.1:8000");
  EXPECT_TRUE(line.origins.empty());
}

TEST_F(ConfigLoad, LaterSourcesWin) {
  write("gunicorn.conf.py", "workers = 2\nthreads = 2\ntimeout = 2\nbacklog = 2\nkeepalive = 2\n");
  environment_["WEB_CONCURRENCY"] = "1";
  environment_["PREFORK_THREADS"] = "3";
  environment_["PREFORK_TIMEOUT"] = "3";
  environment_["PREFORK_BACKLOG"] = "3";
  environment_["GUNICORN_CMD_ARGS"] = "--timeout 4 --backlog=4";
  const CommandLine line = load({"--backlog", "5"});
  EXPECT_EQ(line.config.workers, 2);
  EXPECT_EQ(line.config.keepalive, 2s);
  EXPECT_EQ(line.config.threads, 3);
  EXPECT_EQ(line.config.timeout, 4s);
  EXPECT_EQ(line.config.backlog, 5);
  const std::map<std::string, std::string> expected = {{"workers", "gunicorn.conf.py:1"},
                                                       {"keepalive", "gunicorn.conf.py:5"},
                                                       {"threads", "PREFORK_THREADS"},
                                                       {"timeout", "GUNICORN_CMD_ARGS: --timeout"},
                                                       {"backlog", "--backlog"}};
  EXPECT_EQ(line.origins, expected);
}

TEST_F(ConfigLoad, PreforksFileComesBeforeGunicorns) {
  write("gunicorn.conf.py", "workers = 2\n");
  write("prefork.conf.py", "workers = 3\n");
  const CommandLine line = load({});
  EXPECT_EQ(line.config.workers, 3);
  EXPECT_TRUE(has_notice(line, Notice::Level::Info, "gunicorn.conf.py is not read"));
}

TEST_F(ConfigLoad, TheLastEntryForAVariableWins) {
  write("shop.env", "A=file\nB=file\n");
  EXPECT_EQ(load({"--env-file", "shop.env", "-e", "A=1", "-e", "C=3", "-e", "A=2"}).config.raw_env,
            (Config::Strings{"B=file", "C=3", "A=2"}));
  write("shop.env", "= nonsense\n");
  EXPECT_THAT(refusal({"--env-file", "shop.env"}), HasSubstr("shop.env:1: '= nonsense' given; allowed: KEY=VALUE"));
  EXPECT_THAT(refusal({"--env-file", "nofile"}), HasSubstr("2 --env-file: "));
}

TEST_F(ConfigLoad, FlagsThatOtherServersHaveInTwoForms) {
  EXPECT_EQ(load({"--ws", "a:b"}).config.app, "a:b");
  EXPECT_EQ(load({"--ws", "wsproto", "a:b"}).config.app, "a:b");
  EXPECT_EQ(load({"--ws=wsproto", "a:b"}).config.app, "a:b");
  for (const auto& words : std::vector<std::vector<const char*>>{{"--no-ws"}, {"--ws", "none"}, {"--ws=none"}})
    EXPECT_THAT(refusal(words), HasSubstr("ws: WebSockets cannot be switched off"));
  EXPECT_THAT(refusal({"--uds-permissions", "660"}), HasSubstr("-m 0117"));
}

TEST_F(ConfigLoad, ASocketOrADescriptorGoesBeforeHostAndPort) {
  EXPECT_EQ(load({"--port", "5", "--uds", "/tmp/s", "--host", "::1"}).config.bind, Config::Strings{"unix:/tmp/s"});
  EXPECT_EQ(load({"--fd", "3", "--port", "5"}).config.bind, Config::Strings{"fd://3"});
}

TEST_F(ConfigLoad, SaysWhatALoggingConfigurationLeavesAlone) {
  write("log.ini", "");
  EXPECT_TRUE(has_notice(load({"--log-config", "log.ini"}), Notice::Level::Info, "the access log is off"));
  const CommandLine logged = load({"--log-config", "log.ini", "--access-logfile", "-"});
  EXPECT_TRUE(has_notice(logged, Notice::Level::Info, "the server's own lines keep their form"));
  EXPECT_FALSE(has_notice(logged, Notice::Level::Info, "the access log is off"));
}

TEST_F(ConfigLoad, PlatformVariables) {
  environment_.insert({{"PORT", "5000"},
                       {"WEB_CONCURRENCY", "3"},
                       {"FORWARDED_ALLOW_IPS", "*"},
                       {"SENDFILE", "no"},
                       {"SCRIPT_NAME", "/app"}});
  const Config config = load({}).config;
  EXPECT_EQ(config.bind, Config::Strings{"0.0.0.0:5000"});
  EXPECT_EQ(config.workers, 3);
  EXPECT_EQ(config.forwarded_allow_ips, Config::Strings{"*"});
  EXPECT_FALSE(config.sendfile);
  EXPECT_EQ(config.root_path, "/app");
}

TEST_F(ConfigLoad, PlatformVariablesAreChecked) {
  environment_["WEB_CONCURRENCY"] = "";
  EXPECT_THAT(refusal({}), HasSubstr("1 WEB_CONCURRENCY: '' given; allowed: a whole number from 1"));
  environment_ = {{"PORT", "http"}};
  EXPECT_THAT(refusal({}), HasSubstr("1 PORT: 'http' given"));
}

TEST_F(ConfigLoad, ListsOfTheCommandLineReplaceThoseOfTheFile) {
  write("gunicorn.conf.py", "bind = ['a:1', 'b:2']\nraw_env = 'A=1'\n");
  const Config config = load({"-b", "c:3", "--bind=d:4"}).config;
  EXPECT_EQ(config.bind, (Config::Strings{"c:3", "d:4"}));
  EXPECT_EQ(config.raw_env, Config::Strings{"A=1"});
}

TEST_F(ConfigLoad, TheLastOfARepeatedFlagWins) { EXPECT_EQ(load({"-w", "2", "--workers=3", "-w4"}).config.workers, 4); }

TEST_F(ConfigLoad, WordsAreSplitAsArgparseDoes) {
  EXPECT_EQ(load({"-w=4"}).config.workers, 4);
  EXPECT_EQ(load({"-DRw4", "a:b"}).config.workers, 4);
  EXPECT_EQ(load({"-eA=1"}).config.raw_env, Config::Strings{"A=1"});
  EXPECT_EQ(load({"--", "a:b"}).config.app, "a:b");
  EXPECT_EQ(load({"a:b", "-w", "2"}).config.workers, 2);
  EXPECT_EQ(load({"--access-logfile", "-", "a:b"}).config.accesslog, "-");
  EXPECT_EQ(load({"--access-logformat", "- %(h)s"}).config.access_log_format, "- %(h)s");
  EXPECT_EQ(load({"--name=-w"}).config.proc_name, "-w");
  EXPECT_EQ(load({"--statsd-prefix=", "a:b"}).config.app, "a:b");
  EXPECT_EQ(load({"--nonsense", "--help"}).action, CommandLine::Action::Help);
}

TEST_F(ConfigLoad, BeginningsOfLongFlags) {
  EXPECT_EQ(load({"--worker-con", "5"}).config.worker_connections, 5);
  EXPECT_EQ(load({"--thread=2"}).config.threads, 2);
  EXPECT_EQ(load({"--queue-s", "7"}).config.queue_size, 7);
  EXPECT_TRUE(load({"--prel"}).config.preload_app);
  // Ours begin alike, but gunicorn's users mean gunicorn's.
  EXPECT_EQ(load({"--log-f", "x"}).config.errorlog, "x");
  EXPECT_FALSE(load({"--no-s"}).config.sendfile);
  EXPECT_EQ(load({"--keep", "9"}).config.keepalive, 9s);
  EXPECT_EQ(load({"--vers"}).action, CommandLine::Action::Version);
}

TEST_F(ConfigLoad, SwitchesHaveTwoForms) {
  EXPECT_FALSE(load({"--no-sendfile"}).config.sendfile);
  EXPECT_FALSE(load({"--no-eager"}).config.eager);
  EXPECT_FALSE(load({"--no-request-buffering"}).config.request_buffering);
  EXPECT_TRUE(load({"--preload"}).config.preload_app);
  EXPECT_FALSE(load({"--preload", "--no-preload"}).config.preload_app);
  EXPECT_FALSE(load({"--ws-per-message-deflate", "false", "app:app"}).config.ws_per_message_deflate);
  EXPECT_TRUE(load({"--no-control-socket"}).config.control_socket_disable);
}

TEST_F(ConfigLoad, AValueMayBeLeftOutWhereGunicornLeavesItOut) {
  const CommandLine line = load({"--proxy-protocol", "app:app"});
  EXPECT_EQ(line.config.proxy_protocol, "auto");
  EXPECT_EQ(line.config.app, "app:app");
  EXPECT_EQ(load({"--proxy-protocol", "v1"}).config.proxy_protocol, "v1");
  EXPECT_EQ(load({"--proxy-protocol", "V2", "app:app"}).config.proxy_protocol, "v2");
  EXPECT_EQ(load({"--proxy-protocol", "True", "app:app"}).config.proxy_protocol, "auto");
  EXPECT_EQ(load({"--print-config", "app:app"}).config.print_config, "text");
  EXPECT_EQ(load({"--print-config=json"}).config.print_config, "json");
}

TEST_F(ConfigLoad, ActionsAreTold) {
  using Action = CommandLine::Action;
  EXPECT_EQ(load({"--help"}).action, Action::Help);
  EXPECT_EQ(load({"-v"}).action, Action::Version);
  EXPECT_EQ(load({"--check-config", "a:b"}).action, Action::CheckConfig);
  EXPECT_EQ(load({"--print-config"}).action, Action::PrintConfig);
  EXPECT_EQ(load({"status"}).action, Action::Control);
}

TEST_F(ConfigLoad, ControlCommands) {
  const ControlCommand command = load({"reload", "--wait", "--timeout", "1.5", "--json", "/run/app.pid"}).control;
  EXPECT_EQ(command.verb, ControlCommand::Verb::Reload);
  EXPECT_EQ(command.target, "/run/app.pid");
  EXPECT_TRUE(command.wait);
  EXPECT_TRUE(command.json);
  EXPECT_EQ(command.timeout, 1500ms);
  EXPECT_EQ(load({"stop"}).control.default_socket, directory_ + "/.prefork/prefork.ctl");
  EXPECT_THAT(refusal({"reload", "--wiat"}), HasSubstr("2 reload: "));
  EXPECT_THAT(refusal({"reload", "--help"}), HasSubstr("0 "));
}

// Tests are named after it: else they would be after the bytes of a vector.
void print_words(const std::vector<const char*>& words, std::ostream& out) {
  for (const char* word : words) out << word << ' ';
}

struct WrongLine {
  std::vector<const char*> arguments;
  const char* refusal;
  friend void PrintTo(const WrongLine& line, std::ostream* out) { print_words(line.arguments, *out); }
};
class WrongCommandLine : public ConfigLoad, public testing::WithParamInterface<WrongLine> {};

TEST_P(WrongCommandLine, NamesTheFlagWhatWasGivenAndWhatIsAllowed) {
  EXPECT_EQ(refusal(GetParam().arguments), GetParam().refusal);
}

INSTANTIATE_TEST_SUITE_P(
    Lines, WrongCommandLine,
    testing::Values(
        WrongLine{{"--threads", "abc"}, "2 --threads: 'abc' given; allowed: a whole number from 1 to 4096"},
        WrongLine{{"--threads"}, "2 --threads: no value given; allowed: a whole number from 1 to 4096"},
        WrongLine{{"--thraeds", "2"}, "2 --thraeds is no option; did you mean --threads?"},
        WrongLine{{"-y"}, "2 -y is no option; see prefork --help"},
        WrongLine{{"--work", "4"},
                  "2 ambiguous option: --work could match --workers, --worker-class, --worker-connections, "
                  "--worker-tmp-dir"},
        WrongLine{{"--threads", "--reload"}, "2 --threads: no value given; allowed: a whole number from 1 to 4096"},
        WrongLine{{"--threads=", "a:b"}, "2 --threads: '' given; allowed: a whole number from 1 to 4096"},
        WrongLine{{"--threads", "-1"}, "2 --threads: '-1' given; allowed: a whole number from 1 to 4096"},
        WrongLine{{"--no-reload=yes"}, "2 --no-reload: 'yes' given; it takes no value"},
        WrongLine{{""}, "2 APP: '' given; allowed: MODULE, MODULE:NAME or MODULE:FACTORY()"},
        WrongLine{{"--frobnicate"}, "2 --frobnicate is no option; see prefork --help"},
        WrongLine{{"-w", "x", "a:b"}, "2 -w: 'x' given; allowed: a whole number from 1 to 4096, or auto"},
        WrongLine{{"a:b", "c:d"}, "2 'c:d' given after the application a:b; allowed: one application"},
        WrongLine{{"--reload=maybe"}, "2 --reload: 'maybe' given; allowed: true or false"},
        WrongLine{
            {"-b", "a:1", "-b", "b:x"},
            "2 -b: 'b:x' given; allowed: HOST, HOST:PORT, :PORT, [IPV6]:PORT, tcp://HOST:PORT, unix:PATH, unix:@NAME "
            "or fd://NUMBER, ports up to 65535"},
        WrongLine{{"--port", "70000"}, "2 --port: '70000' given; allowed: a port from 0 to 65535"},
        WrongLine{{"--metrics", "a:b"},
                  "2 --metrics: numbers are served at --metrics-bind ADDRESS:PORT, or at --metrics-path PATH of every "
                  "address"},
        WrongLine{{"--static-path-mount", "static"},
                  "2 --static-path-mount: files are for the proxy in front, or for the application (WhiteNoise, "
                  "StaticFiles)"},
        WrongLine{{"--ssl-ca", "x"}, "2 --ssl-ca: prefork does not speak TLS yet; end it in the proxy in front"},
        WrongLine{{"app.py"}, "2 APP: 'app.py' given, which is a file; did you mean 'app:application'?"},
        WrongLine{{"./src/app.py:app"},
                  "2 APP: './src/app.py:app' given, which is a file; did you mean 'src.app:app'?"},
        WrongLine{{"-k", "sync", "--interface", "asgi"},
                  "2 -k: 'sync' given, which is wsgi, beside interface 'asgi'; allowed: one of them"},
        WrongLine{{"--user", "no-such-user"}, "2 --user: 'no-such-user' given; allowed: a user's name or number"},
        WrongLine{{"--health-path", "livez"},
                  "2 --health-path: 'livez' given; allowed: paths that start with /, separated by commas"}));

struct ClassCase {
  const char* name;
  const char* interface;
  const char* loop;
};
class WorkerClassName : public ConfigLoad, public testing::WithParamInterface<ClassCase> {};

TEST_P(WorkerClassName, MeansAnInterface) {
  const Config config = load({"-k", GetParam().name}).config;
  EXPECT_EQ(config.interface, GetParam().interface);
  EXPECT_EQ(config.asgi_loop, GetParam().loop);
}

INSTANTIATE_TEST_SUITE_P(Names, WorkerClassName,
                         testing::Values(ClassCase{"sync", "wsgi", "auto"}, ClassCase{"gthread", "wsgi", "auto"},
                                         ClassCase{"asgi", "asgi", "auto"},
                                         ClassCase{"uvicorn.workers.UvicornWorker", "asgi", "auto"},
                                         ClassCase{"uvicorn_worker.UvicornWorker", "asgi", "auto"},
                                         ClassCase{"uvicorn.workers.UvicornH11Worker", "asgi", "asyncio"}));

TEST_F(ConfigLoad, CapitalsAskForTheSame) {
  EXPECT_EQ(load({"--protocol", "HTTP", "--http2-cleartext", "OFF"}).notices.size(), 0u);
  EXPECT_EQ(refusal({"-k", "Sync"}), "2 -k: 'Sync' given; did you mean sync?");
  EXPECT_EQ(refusal({"-k", ""}), "2 -k: '' given; allowed: sync, gthread, asgi, uvicorn.workers.UvicornWorker");
}

TEST_F(ConfigLoad, TheLargestNumberIsSaidToWhoIsOverIt) {
  EXPECT_EQ(refusal({"--backlog", "2147483648"}),
            "2 --backlog: '2147483648' given; allowed: a whole number from 1 to 2147483647");
  EXPECT_EQ(refusal({"--backlog", "0"}), "2 --backlog: '0' given; allowed: a whole number from 1");
}

TEST_F(ConfigLoad, OtherWorkerClassesSayWhatToDo) {
  for (const char* name : {"gevent", "gevent_pywsgi", "eventlet"})
    EXPECT_THAT(refusal({"-k", name}), HasSubstr("Use threads instead")) << name;
  EXPECT_THAT(refusal({"-k", "tornado"}), HasSubstr("2 -k: 'tornado' given; Tornado"));
  EXPECT_THAT(refusal({"-k", "my.Worker"}), HasSubstr("post_worker_init"));
  write("gunicorn.conf.py", "class Worker: pass\nworker_class = Worker\n");
  EXPECT_THAT(refusal({}), HasSubstr("1 gunicorn.conf.py:2: worker_class: 'Worker' given; a worker class of your own"));
}

struct AliasCase {
  std::vector<const char*> arguments;
  bool (*holds)(const Config&);
  friend void PrintTo(const AliasCase& alias, std::ostream* out) { print_words(alias.arguments, *out); }
};
class ForeignFlags : public ConfigLoad, public testing::WithParamInterface<AliasCase> {};

TEST_P(ForeignFlags, MeanASetting) {
  const CommandLine line = load(GetParam().arguments);
  EXPECT_TRUE(GetParam().holds(line.config)) << GetParam().arguments[0];
}

INSTANTIATE_TEST_SUITE_P(
    Flags, ForeignFlags,
    testing::Values(
        AliasCase{{"--host", "0.0.0.0", "--port", "80"},
                  [](const Config& c) { return c.bind == Config::Strings{"0.0.0.0:80"}; }},
        AliasCase{{"--port", "80"}, [](const Config& c) { return c.bind == Config::Strings{"127.0.0.1:80"}; }},
        AliasCase{{"--host", "::"}, [](const Config& c) { return c.bind == Config::Strings{"[::]:8000"}; }},
        AliasCase{{"--uds", "/a"}, [](const Config& c) { return c.bind == Config::Strings{"unix:/a"}; }},
        AliasCase{{"--fd", "3"}, [](const Config& c) { return c.bind_addresses[0].fd == 3; }},
        AliasCase{{"--reload-dir", "/", "--reload-dir", "."},
                  [](const Config& c) { return c.reload_dirs.size() == 2; }},
        AliasCase{{"--reload-include", "*.html", "--reload-exclude", "x"},
                  [](const Config& c) { return c.reload_includes.size() + c.reload_excludes.size() == 2; }},
        AliasCase{{"--factory"}, [](const Config& c) { return c.factory; }},
        AliasCase{{"--app-dir", "src"}, [](const Config& c) { return c.pythonpath == Config::Strings{"src"}; }},
        AliasCase{{"--proxy-headers"}, [](const Config& c) { return c.proxy_headers; }},
        AliasCase{{"--no-proxy-headers"}, [](const Config& c) { return !c.proxy_headers; }},
        AliasCase{{"--no-server-header", "--no-date-header"},
                  [](const Config& c) { return !c.server_header && !c.date_header; }},
        AliasCase{{"--header", "A:1", "--header", "B: 2"},
                  [](const Config& c) {
                    return c.header == Config::Strings{"A:1", "B: 2"};
                  }},
        AliasCase{{"--limit-concurrency", "9"}, [](const Config& c) { return c.limit_concurrency == 9; }},
        AliasCase{{"--limit-max-requests", "9"}, [](const Config& c) { return c.max_requests == 9; }},
        AliasCase{{"--timeout-keep-alive", "9"}, [](const Config& c) { return c.keepalive == 9s; }},
        AliasCase{{"--timeout-graceful-shutdown", "9"}, [](const Config& c) { return c.graceful_timeout == 9s; }},
        AliasCase{{"--ws-max-size", "9"}, [](const Config& c) { return c.websocket_max_message_size == 9; }},
        AliasCase{{"--ws-ping-interval", "9", "--ws-ping-timeout", "8"},
                  [](const Config& c) { return c.ws_ping_interval == 9s && c.ws_ping_timeout == 8s; }},
        AliasCase{{"--lifespan", "off"}, [](const Config& c) { return c.asgi_lifespan == "off"; }},
        AliasCase{{"--loop", "uvloop"}, [](const Config& c) { return c.asgi_loop == "uvloop"; }},
        AliasCase{{"--interface", "asgi2"}, [](const Config& c) { return c.interface == "asgi"; }},
        AliasCase{{"--access-log"}, [](const Config& c) { return c.accesslog == "-"; }},
        AliasCase{{"--access-logfile", "x", "--no-access-log"}, [](const Config& c) { return c.accesslog.empty(); }},
        AliasCase{{"--http", "httptools", "--ws", "auto"}, [](const Config& c) { return c.app.empty(); }},
        AliasCase{{"--workers-max-rss", "100"}, [](const Config& c) { return c.max_worker_rss == 100u << 20; }},
        AliasCase{{"--no-http1-keep-alive"}, [](const Config& c) { return c.keepalive == 0s; }},
        AliasCase{{"--http1-header-read-timeout", "1500"}, [](const Config& c) { return c.header_timeout == 1500ms; }},
        AliasCase{{"--http1-buffer-size", "65536"}, [](const Config& c) { return c.limit_request_head == 65536; }},
        AliasCase{{"--no-log", "--no-metrics", "--no-ssl-client-verify", "--http2-adaptive-window"},
                  [](const Config& c) { return c.loglevel == "critical"; }},
        AliasCase{{"--reload-ignore-dirs", "a", "--reload-ignore-paths", "b"},
                  [](const Config& c) {
                    return c.reload_excludes == Config::Strings{"a", "b"};
                  }},
        AliasCase{{"--blocking-threads", "4"}, [](const Config& c) { return c.threads == 4; }},
        AliasCase{{"--app", "echo"}, [](const Config& c) { return c.builtin_app == "echo" && c.app.empty(); }},
        AliasCase{{"--app", "a:b"}, [](const Config& c) { return c.app == "a:b"; }}));

TEST_F(ConfigLoad, ForeignFlagsAreSaidAtDebugLevel) {
  EXPECT_TRUE(has_notice(load({"--port", "80"}), Notice::Level::Debug, "--port of uvicorn"));
  EXPECT_TRUE(has_notice(load({"--timeout-keep-alive", "8"}), Notice::Level::Debug,
                         "--timeout-keep-alive is the setting keepalive here"));
  EXPECT_TRUE(load({"--keep-alive", "8"}).notices.empty());
}

TEST_F(ConfigLoad, EnvironmentListsAndNearMisses) {
  environment_["PREFORK_BIND"] = "a:1,b:2";
  environment_["PREFORK_RAW_ENV"] = "A=1,2\nB=3";
  environment_["PREFORK_WORKRES"] = "2";
  environment_["PREFORK_PYTHON_DIR"] = "/nowhere";
  const CommandLine line = load({});
  EXPECT_EQ(line.config.bind, (Config::Strings{"a:1", "b:2"}));
  EXPECT_EQ(line.config.raw_env, (Config::Strings{"A=1,2", "B=3"}));
  EXPECT_TRUE(has_notice(line, Notice::Level::Warning,
                         "PREFORK_WORKRES is no setting and is ignored; did you mean PREFORK_WORKERS?"));
  EXPECT_EQ(line.notices.size(), 1u);
}

TEST_F(ConfigLoad, WhatFollowsFromOtherSettings) {
  EXPECT_EQ(load({"-e", "SCRIPT_NAME=/app"}).config.root_path, "/app");
  EXPECT_EQ(load({"a.b:c"}).config.default_proc_name, "a.b:c");
  EXPECT_EQ(load({"--access-log-json"}).config.accesslog, "-");
  EXPECT_EQ(load({"--request-ring", "5000"}).config.request_ring, 8192u);
  EXPECT_EQ(load({"-u", "0", "-g", "0"}).config.uid, 0);
  EXPECT_GE(load({"-w", "auto"}).config.workers, 1);
  EXPECT_FALSE(load({}).config.python.empty());
  std::filesystem::create_directory("sub");
  EXPECT_EQ(load({"--chdir", "sub"}).config.chdir, directory_ + "/sub");
  EXPECT_THAT(refusal({"--chdir", "nowhere"}), HasSubstr("2 --chdir: 'nowhere' given"));
  write("log.json", "{}");
  EXPECT_EQ(load({"--log-config", "log.json"}).config.logconfig_json, directory_ + "/log.json");
}

TEST_F(ConfigLoad, ReloadReadsTheFileAgain) {
  write("gunicorn.conf.py", "workers = 2\npidfile = 'a'\n");
  CommandLine line = load({"--threads", "4"});
  write("gunicorn.conf.py", "workers = 3\npidfile = 'b'\ndef on_reload(server): pass\n");
  std::filesystem::current_path("/");  // as after --chdir
  line = reload_config(line);
  EXPECT_EQ(line.config.workers, 3);
  EXPECT_EQ(line.config.threads, 4);
  EXPECT_EQ(line.config.pidfile, "a");
  EXPECT_EQ(line.config.hooks, Config::Strings{"on_reload"});
  EXPECT_TRUE(has_notice(line, Notice::Level::Warning, "pidfile changed from 'a' to 'b'"));
  write("gunicorn.conf.py", "workers = 0\n");
  EXPECT_THROW((void)reload_config(line), ConfigError);
}

TEST(SplitShellWords, AsAShellDoes) {
  EXPECT_EQ(split_shell_words("-w 2  --bind='a b' \"x\\\"y\" '' c\\ d"),
            (std::vector<std::string>{"-w", "2", "--bind=a b", "x\"y", "", "c d"}));
  EXPECT_FALSE(split_shell_words("'open"));
  EXPECT_FALSE(split_shell_words("open\\"));
  EXPECT_TRUE(split_shell_words("  ")->empty());
}

}  // namespace
}  // namespace prefork
