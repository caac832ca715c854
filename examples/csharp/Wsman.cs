// Reads the general settings of a provisioned machine by WS-Man, and has it answer pings no more.
// Wsman.exe ADDRESS CA-PEM NAME, the password of admin in AMT_PASSWORD
using System;
using System.IO;
using System.Net;
using Amt;

internal static class WsmanExample
{
    private static int Main(string[] arguments)
    {
        string password = Environment.GetEnvironmentVariable("AMT_PASSWORD");
        try
        {
            using (var device = new Device(IPAddress.Parse(arguments[0]), "admin", password))
            {
                device.TrustRoots(File.ReadAllBytes(arguments[1]), arguments[2]);
                string settings = device.Get("AMT_GeneralSettings");
                Console.WriteLine(settings);

                // What was read is put back whole, with the change.
                string changed = settings.Replace("\"PingResponseEnabled\":\"true\"", "\"PingResponseEnabled\":\"false\"");
                if (changed != settings)
                {
                    Console.WriteLine(device.Put("AMT_GeneralSettings", changed));
                }
                Console.WriteLine(device.GetConnection());
            }
            return 0;
        }
        catch (AmtException error)
        {
            Console.Error.WriteLine("{0} at {1}: {2}\n{3}", error.Name, error.Stage, error.Message, error.Hint);
            return 1;
        }
    }
}
