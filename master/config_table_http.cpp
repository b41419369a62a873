#include "master/config_check.hpp"
#include "master/config_table.hpp"

namespace prefork {
namespace {

const Setting kSettings[] = {
    {.name = "keepalive", .flags = "--keep-alive", .also = "--timeout-keep-alive", .field = &Config::keepalive, .meta = "SECONDS", .compat = Compat::Must,
     .help = "Time that an idle connection is kept. Must be longer than the idle timeout of the load balancer in front, or it meets closed "
             "connections and answers 502; the default is longer than that of the common ones (60). 0: no keep-alive."},
    {.name = "header_timeout", .flags = "--header-timeout", .field = &Config::header_timeout, .meta = "SECONDS",
     .help = "Time from the first byte of a request's head to its last. 0: no limit."},
    {.name = "body_min_rate", .flags = "--body-min-rate", .field = &Config::body_min_rate, .meta = "SIZE",
     .help = "Bytes a second that an upload must bring. 0: no limit."},
    {.name = "send_timeout", .flags = "--send-timeout", .field = &Config::send_timeout, .meta = "SECONDS",
     .help = "Time that a client may take nothing of a reply. 0: no limit."},
    {.name = "limit_request_line", .flags = "--limit-request-line", .field = &Config::limit_request_line, .meta = "BYTES", .compat = Compat::Must,
     .help = "Length of a request line; a longer one is answered 414. 0: no limit but limit_request_head."},
    {.name = "limit_request_fields", .flags = "--limit-request-fields", .field = &Config::limit_request_fields, .meta = "N", .min = 1, .max = 32768,
     .compat = Compat::Must, .help = "Header fields of a request; more are answered 431."},
    {.name = "limit_request_field_size", .flags = "--limit-request-field-size, --limit-request-field_size", .field = &Config::limit_request_field_size,
     .meta = "BYTES", .compat = Compat::Must, .help = "Length of one header field; a longer one is answered 431. 0: no limit but limit_request_head."},
    {.name = "limit_request_head", .flags = "--limit-request-head", .field = &Config::limit_request_head, .meta = "SIZE", .min = 1024, .max = 1 << 30,
     .help = "Length of a request's line and fields together."},
    {.name = "limit_request_body", .flags = "--limit-request-body", .field = &Config::limit_request_body, .meta = "SIZE",
     .help = "Length of a request's body; a longer one is answered 413, before it is read when its length is known. 0: no limit."},
    {.name = "request_buffering", .flags = "--request-buffering", .field = &Config::request_buffering,
     .help = "Collect the body of a request before a WSGI worker is taken for it, so that a slow upload costs no worker."},
    {.name = "request_buffer", .flags = "--request-buffer", .field = &Config::request_buffer, .meta = "SIZE",
     .help = "Part of a collected body that stays in memory; the rest goes to a temporary file."},
    {.name = "request_spool_total", .flags = "--request-spool-total", .field = &Config::request_spool_total, .meta = "SIZE",
     .help = "Temporary files of request bodies together; beyond it bodies are streamed to the workers."},
    {.name = "response_buffer", .flags = "--response-buffer", .field = &Config::response_buffer, .meta = "SIZE",
     .help = "Part of a reply that is kept in memory while its client reads slowly."},
    {.name = "response_spool", .flags = "--response-spool", .field = &Config::response_spool, .meta = "SIZE",
     .help = "Part of a WSGI reply that is then kept in a temporary file, so that a slow client holds no worker."},
    {.name = "response_spool_total", .flags = "--response-spool-total", .field = &Config::response_spool_total, .meta = "SIZE",
     .help = "Temporary files of replies together; beyond it workers wait for their clients."},
    {.name = "tmp_upload_dir", .flags = "--tmp-upload-dir", .field = &Config::tmp_upload_dir, .meta = "DIR", .default_note = "$TMPDIR or /tmp",
     .compat = Compat::Should, .help = "Directory of the temporary files, which have no names."},
    {.name = "pipeline_depth", .flags = "--pipeline-depth", .field = &Config::pipeline_depth, .meta = "N", .min = 1, .max = 1024,
     .help = "Requests read ahead on one connection."},
    {.name = "permit_obsolete_folding", .flags = "--permit-obsolete-folding", .field = &Config::permit_obsolete_folding, .compat = Compat::Should,
     .help = "Accept header fields that are continued on the next line."},
    {.name = "permit_unconventional_http_version", .flags = "--permit-unconventional-http-version",
     .field = &Config::permit_unconventional_http_version, .compat = Compat::Should, .help = "Accept HTTP versions other than 1.0 and 1.1."},
    {.name = "header_map", .flags = "--header-map", .field = &Config::header_map, .meta = "POLICY", .choices = "drop|refuse|dangerous",
     .compat = Compat::Must,
     .help = "Header fields with an underscore in their name, which WSGI cannot tell from a dash: drop them, refuse the request, or pass them on."},
    {.name = "sendfile", .flags = "--sendfile", .field = &Config::sendfile, .default_note = "true or $SENDFILE", .compat = Compat::Must,
     .help = "Send files with sendfile(2)."},
    {.name = "server_header", .flags = "--server-header", .field = &Config::server_header, .help = "Add a Server field to replies."},
    {.name = "date_header", .flags = "--date-header", .field = &Config::date_header, .help = "Add a Date field to replies."},
    {.name = "header", .flags = "--header", .other_names = "headers", .field = &Config::header, .meta = "NAME:VALUE", .check = check::header_field,
     .allowed = "NAME: VALUE", .help = "Header field added to every reply; may be given several times."},
};

}  // namespace

std::span<const Setting> http_settings() { return kSettings; }

}  // namespace prefork
