// Reads the general settings of a provisioned machine by WS-Man, and has it answer pings no more.
#include "example.hpp"

static int change(const std::vector<std::string> &arguments)
{
    const std::string &address = arguments[0], &name = arguments[2], user = "admin", settings = "AMT_GeneralSettings";
    const auto roots = read_file(arguments[1]);
    const auto password = secret("AMT_PASSWORD");

    Handle<amt_device, amt_device_free> device;
    Handle<amt_document, amt_document_free> reply;
    Error err;
    must(amt_device_new(address.data(), address.size(), 0, user.data(), user.size(), password.data(), password.size(), out(device),
                        err),
         err);
    must(amt_device_trust_roots(device.get(), roots.data(), roots.size(), name.data(), name.size(), err), err);
    must(amt_device_get(device.get(), settings.data(), settings.size(), nullptr, 0, out(reply), err), err);
    std::string json(text(reply, amt_document_json));
    std::cout << json << '\n';

    // What was read is put back whole, with the change.
    const std::string_view before = R"("PingResponseEnabled":"true")", after = R"("PingResponseEnabled":false)";
    if (const auto at = json.find(before); at != std::string::npos) {
        json.replace(at, before.size(), after);
        must(amt_device_put(device.get(), settings.data(), settings.size(), json.data(), json.size(), nullptr, 0, out(reply), err),
             err);
        std::cout << text(reply, amt_document_json) << '\n';
    }
    must(amt_device_connection(device.get(), out(reply), err), err);
    std::cout << text(reply, amt_document_json) << '\n';
    return 0;
}

int main(int argc, char **argv) { return example(argc, argv, "wsman ADDRESS CA-PEM NAME", change); }
